/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/internal.h"
#include "util/log.h"

/* How packets are framed between a device's port and its network interface: Device.LinkLayer, SetLinkLayer.
 * One call at a time for each device. */

struct BusLinkCall {
        BusDevice *device;
        sd_bus_message *message;
        LinkUse *use;
        LinkMode before; /* what was wanted, if it fails */
};

static void link_call_end(BusDevice *d) {
        BusLinkCall *c = TAKE_PTR(d->link_call);

        (void) link_use_free(c->use);
        sd_bus_message_unref(c->message);
        free(c);
        bus_end_call(d->bus);
}

void bus_link_fail(BusDevice *d, const sd_bus_error *error) {
        if (!d->link_call)
                return;
        if (error)
                (void) sd_bus_reply_method_error(d->link_call->message, error);
        link_call_end(d);
}

static void on_set_up(Link *l, const LinkResult *result, void *userdata) {
        BusLinkCall *c = userdata;
        int r;

        if (result->error < 0) {
                (void) link_set_mode(l, c->before);
                r = sd_bus_reply_method_errorf(c->message, QMID_ERROR_LINK_LAYER, "%s", result->text);
        } else
                r = sd_bus_reply_method_return(c->message, NULL);
        if (r < 0)
                log_debug_errno(r, "%s: cannot answer SetLinkLayer", device_get_name(c->device->device));
        link_call_end(c->device);
}

static int link_call_begin(BusDevice *d, sd_bus_message *m, Link *l, LinkMode before) {
        BusLinkCall *c;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        r = link_set_up(l, LINK_AUTO, on_set_up, c, &c->use);
        if (r < 0) {
                free(c);
                return r;
        }
        c->device = d;
        c->message = sd_bus_message_ref(m);
        c->before = before;
        d->link_call = c;
        bus_begin_call(d->bus);
        return 1;
}

int bus_method_set_link_layer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        const AccessTarget target = { .device = d, .type = ACCESS_TO_DOOR, .message = DOOR_SET_LINK_LAYER };
        Link *l = device_get_link(d->device);
        LinkMode mode, before;
        const char *word;
        Caller *caller;
        int r;

        r = caller_require(d->bus, m, bus_method_set_link_layer, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", &word);
        if (r < 0)
                return r;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        mode = link_mode_from_string(word);
        if (mode < 0)
                return sd_bus_error_set(error, QMID_ERROR_INVALID_ARGUMENT,
                                        "mode: neither auto nor 802.3 nor raw-ip nor qmap nor off");
        r = bus_require_access(m, bus_method_set_link_layer, caller, &target, ACCESS_CONFIGURATION, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (!l)
                return sd_bus_error_set(error, QMID_ERROR_LINK_LAYER, "this port has no network interface");
        if (d->link_call)
                return sd_bus_error_set(error, QMID_ERROR_LIMITS_EXCEEDED,
                                        "somebody else's SetLinkLayer is still under way");
        before = link_set_mode(l, mode);
        if (mode == LINK_OFF || !mux_is_live(device_get_mux(d->device)))
                return sd_bus_reply_method_return(m, NULL);
        return link_call_begin(d, m, l, before);
}

/* ---- the property ---- */

static int append_text(sd_bus_message *m, const char *key, const char *text) {
        return sd_bus_message_append(m, "{sv}", key, "s", text);
}

static int append_format(sd_bus_message *m, const LinkFormat *f) {
        return sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "link_layer", "s",
                                     link_format_to_string(f->mode), "downlink_max_datagrams", "u",
                                     f->downlink_max_datagrams, "downlink_max_size", "u",
                                     f->downlink_max_size, "uplink_max_datagrams", "u",
                                     f->uplink_max_datagrams, "uplink_max_size", "u", f->uplink_max_size);
}

static int append_muxes(sd_bus_message *m, const LinkStatus *s) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "muxes");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a{ys}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ys}");
        for (size_t i = 0; r >= 0 && i < s->n_muxes; i++)
                r = sd_bus_message_append(m, "{ys}", s->muxes[i].id, s->muxes[i].interface);
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_host(sd_bus_message *m, const LinkStatus *s) {
        int r;

        r = append_format(m, &s->host);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}", "interface", "s", s->interface, "mtu", "u",
                                          s->mtu, "up", "b", (int) s->up);
        return r < 0 ? r : append_muxes(m, s);
}

/* Opens "key": a{sv}; closed by end_side(). */
static int begin_side(sd_bus_message *m, const char *key) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a{sv}");
        return r < 0 ? r : sd_bus_message_open_container(m, 'a', "{sv}");
}

static int end_side(sd_bus_message *m) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_status(sd_bus_message *m, const LinkStatus *s) {
        int r;

        r = append_text(m, "mode", link_mode_to_string(s->mode));
        if (r >= 0)
                r = append_text(m, "agreed", s->agreed == LINK_OFF ? "" : link_format_to_string(s->agreed));
        if (r >= 0)
                r = append_text(m, "manager", s->manager);
        if (r >= 0)
                r = append_text(m, "problem", s->problem);
        if (r >= 0)
                r = begin_side(m, "modem");
        if (r >= 0)
                r = append_format(m, &s->modem);
        if (r >= 0)
                r = end_side(m);
        if (r >= 0)
                r = begin_side(m, "host");
        if (r >= 0)
                r = append_host(m, s);
        return r < 0 ? r : end_side(m);
}

int bus_get_link_layer(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Link *l = device_get_link(((BusObject *) userdata)->device->device);
        LinkStatus status;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0 && l) {
                link_get_status(l, &status);
                r = append_status(reply, &status);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}
