/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/peer-resolved.h"

#include <stdio.h>
#include <sys/queue.h>

#include "util/log.h"

#define RESOLVED           "org.freedesktop.resolve1"
#define RESOLVED_PATH      "/org/freedesktop/resolve1"
#define RESOLVED_INTERFACE "org.freedesktop.resolve1.Manager"

#define ANSWER_USEC   (10 * USEC_PER_SEC) /* polkit may have to be started first */
#define FAREWELL_USEC (1 * USEC_PER_SEC)

/* What an interface has, or is to have back. */
typedef struct ResolvedLink {
        Resolved *resolved;
        int index;
        NetDnsServer *servers;
        size_t n_servers;  /* 0: it is to be as it was before */
        sd_bus_slot *slot; /* of the call that is under way */
        LIST_ENTRY(ResolvedLink) entries;
} ResolvedLink;

struct Resolved {
        sd_bus *bus;
        Net *net;
        sd_bus_slot *match;
        LIST_HEAD(, ResolvedLink) links;
};

static ResolvedLink *find(Resolved *r, int index) {
        ResolvedLink *l;

        LIST_FOREACH(l, &r->links, entries)
                if (l->index == index)
                        return l;
        return NULL;
}

static void link_free(ResolvedLink *l) {
        LIST_REMOVE(l, entries);
        sd_bus_slot_unref(l->slot);
        free(l->servers);
        free(l);
}

/* ---- what it says ---- */

static bool is_absent(const sd_bus_error *e) {
        return sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

/* The interface has gone, and all that was known of it. */
static bool is_gone(const sd_bus_error *e) {
        return sd_bus_error_has_name(e, "org.freedesktop.resolve1.NoSuchLink");
}

static void tell(ResolvedLink *l, const sd_bus_error *e) {
        const char *what = l->n_servers > 0 ? "did not take the name servers" : "kept the name servers";
        char name[IF_NAMESIZE], problem[256] = "";
        const char *text;

        if (e && is_absent(e))
                log_debug("systemd-resolved is not there: name servers are published only");
        else if (e && !is_gone(e)) {
                text = e->message && *e->message ? e->message : e->name;
                (void) snprintf(problem, sizeof(problem), "%s: systemd-resolved %s: %.*s.",
                                if_indextoname((unsigned) l->index, name) ?: "it is gone", what,
                                (int) (strlen(text) - (text[strlen(text) - 1] == '.')), text);
                log_warning("%.*s", (int) strlen(problem) - 1, problem);
        }
        net_dns_done(l->resolved->net, l->index, problem);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ResolvedLink *l = userdata;

        l->slot = sd_bus_slot_unref(l->slot);
        tell(l, sd_bus_message_get_error(m));
        if (l->n_servers == 0)
                link_free(l);
        return 0;
}

/* ---- what it is told ---- */

static int append_servers(sd_bus_message *m, const ResolvedLink *l) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(iay)");
        for (size_t i = 0; r >= 0 && i < l->n_servers; i++) {
                const NetDnsServer *s = &l->servers[i];

                r = sd_bus_message_open_container(m, 'r', "iay");
                if (r >= 0)
                        r = sd_bus_message_append(m, "i", s->family);
                if (r >= 0)
                        r = sd_bus_message_append_array(m, 'y', s->address, s->family == AF_INET ? 4 : 16);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int make_message(const ResolvedLink *l, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(l->resolved->bus, &m, RESOLVED, RESOLVED_PATH, RESOLVED_INTERFACE,
                                           l->n_servers > 0 ? "SetLinkDNS" : "RevertLink");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, "i", l->index);
        if (r >= 0 && l->n_servers > 0)
                r = append_servers(m, l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

static int link_send(ResolvedLink *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        l->slot = sd_bus_slot_unref(l->slot); /* what is said now is what counts */
        r = make_message(l, &m);
        return r < 0 ? r : sd_bus_call_async(l->resolved->bus, &l->slot, m, on_answer, l, ANSWER_USEC);
}

static int set(Resolved *r, int index, const NetDnsServer *servers, size_t n_servers) {
        _cleanup_free_ NetDnsServer *copy = NULL;
        ResolvedLink *l = find(r, index);

        if (n_servers > 0) {
                copy = reallocarray(NULL, n_servers, sizeof(*copy));
                if (!copy)
                        return -ENOMEM;
                memcpy(copy, servers, n_servers * sizeof(*copy));
        }
        if (!l) {
                l = malloc(sizeof(*l));
                if (!l)
                        return -ENOMEM;
                *l = (ResolvedLink){ .resolved = r, .index = index };
                LIST_INSERT_HEAD(&r->links, l, entries);
        }
        free(l->servers);
        l->servers = TAKE_PTR(copy);
        l->n_servers = n_servers;
        return link_send(l);
}

static void on_set(Net *n, int index, const NetDnsServer *servers, size_t n_servers, void *userdata) {
        int r = set(userdata, index, servers, n_servers);

        if (r < 0)
                log_warning_errno(r, "Cannot give systemd-resolved the name servers of interface %i", index);
}

/* One that was not there before knows nothing of what is set. */
static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Resolved *r = userdata;
        const char *new_owner;
        ResolvedLink *l;

        if (sd_bus_message_read(m, "sss", NULL, NULL, &new_owner) < 0 || !*new_owner)
                return 0;
        LIST_FOREACH(l, &r->links, entries)
                if (link_send(l) < 0)
                        log_warning("Cannot tell systemd-resolved, which has been started, of name servers");
        return 0;
}

int resolved_new(Resolved **ret, sd_bus *bus, Net *net) {
        static const NetDnsOps ops = { .set = on_set };
        _cleanup_(resolved_freep) Resolved *r = NULL;
        int k;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->bus = bus;
        r->net = net;
        k = sd_bus_add_match(bus, &r->match,
                             "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                             "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                             "arg0='" RESOLVED "'",
                             on_owner_changed, r);
        if (k < 0)
                return k;
        net_set_dns_ops(net, &ops, r);
        *ret = TAKE_PTR(r);
        return 0;
}

/* Says it once more, and waits. */
static void link_insist(ResolvedLink *l, uint64_t timeout_usec) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        l->slot = sd_bus_slot_unref(l->slot);
        if (make_message(l, &m) >= 0 && sd_bus_call(l->resolved->bus, m, timeout_usec, &error, NULL) < 0)
                tell(l, &error);
}

Resolved *resolved_free(Resolved *r) {
        unsigned n_waiting = 0;
        ResolvedLink *l;

        if (!r)
                return NULL;
        net_set_dns_ops(r->net, NULL, NULL);
        LIST_FOREACH(l, &r->links, entries)
                n_waiting += l->slot != NULL;
        LIST_FOREACH(l, &r->links, entries)
                if (l->slot)
                        link_insist(l, FAREWELL_USEC / n_waiting);
        while (!LIST_EMPTY(&r->links))
                link_free(LIST_FIRST(&r->links));
        sd_bus_slot_unref(r->match);
        free(r);
        return NULL;
}
