/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "modem/usb-reset.h"
#include "qmi/codec.h"
#include "qmi/text.h"
#include "util/log.h"
#include "util/siphash.h"

#define QMI_SERVICE_DMS 0x02

/* A modem that does not come to itself by a reset will not do so by another soon after. */
#define USB_RESET_USEC (600 * USEC_PER_SEC)
/* udev may tell that it has gone when the kernel has brought it back already. */
#define USB_RESET_AWAY_USEC (15 * USEC_PER_SEC)

/* What a modem says of itself: message and field of DMS, and where it goes. */
typedef enum ModelFact {
        FACT_MANUFACTURER,
        FACT_MODEL,
        FACT_REVISION,
        FACT_IMEI, /* only for device_has_imei(); no property shows it */
        _MODEL_FACT_MAX,
} ModelFact;

static const struct {
        const char *message, *field;
} model_facts[] = {
        [FACT_MANUFACTURER] = { "get-manufacturer", "manufacturer" },
        [FACT_MODEL] = { "get-model", "model" },
        [FACT_REVISION] = { "get-revision", "revision" },
        [FACT_IMEI] = { "get-ids", "imei" },
};

/* An identity is in no state that is saved, nor in the memory of an idle daemon: what is kept of the IMEI is
 * a hash with its key, in hexadecimal, to compare names with. */
#define IMEI_HASH_SIZE (2 * (SIPHASH_KEY_SIZE + sizeof(uint64_t)) + 1)

static void imei_hash(const uint8_t key[static SIPHASH_KEY_SIZE], const char *imei,
                      char ret[static IMEI_HASH_SIZE]) {
        for (size_t i = 0; i < SIPHASH_KEY_SIZE; i++)
                snprintf(ret + 2 * i, 3, "%02x", key[i]);
        snprintf(ret + 2 * (size_t) SIPHASH_KEY_SIZE, 17, "%016" PRIx64, siphash24(key, imei, strlen(imei)));
}

static bool imei_is(const char *hash, const char *imei) {
        uint8_t key[SIPHASH_KEY_SIZE];
        char other[IMEI_HASH_SIZE];

        if (strlen(hash) != IMEI_HASH_SIZE - 1)
                return false;
        for (size_t i = 0; i < sizeof(key); i++)
                if (sscanf(hash + 2 * i, "%2hhx", &key[i]) != 1)
                        return false;
        imei_hash(key, imei, other);
        return streq(hash, other);
}

/* What is kept of a fact; NULL: no memory. */
static char *fact_keep(ModelFact fact, const char *value) {
        uint8_t key[SIPHASH_KEY_SIZE];
        char hash[IMEI_HASH_SIZE];

        if (fact != FACT_IMEI)
                return strdup(value);
        if (getrandom(key, sizeof(key), 0) != (ssize_t) sizeof(key))
                return NULL;
        imei_hash(key, value, hash);
        return strdup(hash);
}

static bool fact_is(ModelFact fact, const char *kept, const char *value) {
        return kept && (fact == FACT_IMEI ? imei_is(kept, value) : streq(kept, value));
}

typedef struct Question {
        Device *device;
        const SchemaMessage *message;
        Request *request;
} Question;

struct Device {
        sd_event *event;
        Mux *mux;
        Net *net;
        Link *link; /* NULL: it has no network interface */
        DevicePlace place;
        bool secondary;
        const DeviceOps *ops;
        void *userdata;
        TAILQ_HEAD(, DeviceWatch) watches;
        MuxService *services;
        size_t n_services;
        char *facts[_MODEL_FACT_MAX];
        bool facts_fresh; /* of the last daemon, on the same connection: need not be asked for */
        Question questions[_MODEL_FACT_MAX];
        UsbReset *usb_reset;     /* under way */
        uint64_t usb_reset_usec; /* when the last one began, CLOCK_BOOTTIME; 0: never */
};

static void device_tell(Device *d, unsigned changes) {
        d->ops->on_changed(d, changes, d->userdata);
}

static void question_on_done(const RequestOutcome *outcome, void *userdata) {
        Question *q = userdata;
        Device *d = q->device;
        ModelFact fact = (ModelFact) (q - d->questions);
        _cleanup_(arena_erase) Arena arena;
        const Value *v;
        Value dict;
        char *s;

        arena_init(&arena);
        q->request = NULL;
        if (outcome->state != REQUEST_ANSWERED) {
                log_debug("%s: %s was not answered", d->place.name, model_facts[fact].message);
                return;
        }
        if (message_decode(q->message, QMI_RESPONSE, mux_get_vendor(d->mux), outcome->response->tlvs,
                           outcome->response->n_tlvs, &arena, &dict) < 0)
                return;
        v = value_dict_get(&dict, model_facts[fact].field);
        if (!v || v->type != VALUE_STRING || fact_is(fact, d->facts[fact], v->string))
                return;

        s = fact_keep(fact, v->string);
        if (!s) {
                log_oom();
                return;
        }
        free(d->facts[fact]);
        d->facts[fact] = s;
        d->ops->on_save(d, d->userdata);
        if (fact != FACT_IMEI)
                device_tell(d, DEVICE_CHANGE_MODEL);
}

static void device_ask_model(Device *d) {
        const SchemaService *dms = schema_service_by_id(QMI_SERVICE_DMS, mux_get_vendor(d->mux));
        Client *c;
        int r;

        if (!dms || !mux_has_service(d->mux, QMI_SERVICE_DMS))
                return;
        r = mux_get_shared_client(d->mux, QMI_SERVICE_DMS, &c);
        if (r < 0) {
                log_warning_errno(r, "%s: cannot ask for the model", d->place.name);
                return;
        }

        for (ModelFact i = 0; i < _MODEL_FACT_MAX; i++) {
                Question *q = &d->questions[i];
                RequestSpec spec;

                q->device = d;
                q->message = schema_message_by_name(dms, model_facts[i].message);
                if (!q->message || q->request)
                        continue;
                spec = (RequestSpec){
                        .message = q->message->id,
                        .schema = q->message,
                        .done = question_on_done,
                        .userdata = q,
                };
                r = request_new(&q->request, c, mux_get_owner(d->mux), &spec);
                if (r < 0)
                        log_warning_errno(r, "%s: cannot send %s", d->place.name, model_facts[i].message);
        }
}

/* Takes over what the modem has now; says whether that is another set than before. */
static int device_keep_services(Device *d) {
        const MuxService *services;
        MuxService *copy;
        size_t n;

        n = mux_get_services(d->mux, &services);
        if (n == d->n_services && (n == 0 || memcmp(services, d->services, n * sizeof(*services)) == 0))
                return 0;

        copy = calloc(MAX(n, (size_t) 1), sizeof(*copy));
        if (!copy)
                return -ENOMEM;
        if (n > 0)
                memcpy(copy, services, n * sizeof(*copy));
        free(d->services);
        d->services = copy;
        d->n_services = n;
        return 1;
}

static void device_on_mux_state(Mux *m, MuxState state, const char *reason, void *userdata) {
        Device *d = userdata;
        unsigned changes = DEVICE_CHANGE_STATE;
        DeviceWatch *w;

        log_info("%s: %s%s%s", d->place.name, mux_state_to_string(state), reason ? ": " : "",
                 reason ? reason : "");
        if (state == MUX_READY) {
                int r = device_keep_services(d);

                if (r < 0)
                        log_oom();
                if (r > 0)
                        changes |= DEVICE_CHANGE_SERVICES;
                if (!d->facts_fresh)
                        device_ask_model(d);
        }
        d->facts_fresh = false;
        if (d->link)
                link_on_modem(d->link);
        TAILQ_FOREACH(w, &d->watches, entry)
                w->on_state(w, state);
        device_tell(d, changes);
}

static bool device_on_exhausted(Mux *m, uint16_t service, void *userdata) {
        Device *d = userdata;

        return d->ops->on_exhausted(d, service, d->userdata);
}

static void device_on_save(Mux *m, void *userdata) {
        Device *d = userdata;

        d->ops->on_save(d, d->userdata);
}

static bool device_may_sync(Mux *m, void *userdata) {
        Device *d = userdata;

        switch (d->place.sync) {
        case SYNC_NEVER:
                return false;
        case SYNC_ALWAYS:
                return true;
        case SYNC_AUTO:
        case _SYNC_POLICY_MAX:
        case _SYNC_POLICY_INVALID:
                break;
        }
        /* Whoever watches is a session, whose call the mux may know nothing of: one that was up already. */
        return TAILQ_EMPTY(&d->watches) && !d->ops->has_rival(d, d->userdata) &&
               !device_place_has_interface_up(&d->place);
}

static void device_on_usb_reset(UsbReset *u, int error, void *userdata) {
        Device *d = userdata;

        if (error < 0)
                log_warning_errno(error, "%s: cannot reset its USB device %s", d->place.name,
                                  d->place.physical_device);
        else
                log_notice("%s: its USB device was reset", d->place.name);
        d->usb_reset = usb_reset_free(u);
}

static void device_on_silent_long(Mux *m, void *userdata) {
        Device *d = userdata;
        uint64_t now;
        int r;

        r = sd_event_now(d->event, CLOCK_BOOTTIME, &now);
        if (r < 0 || !d->place.usb_reset || !*d->place.physical_device || d->usb_reset ||
            (d->usb_reset_usec > 0 && now < d->usb_reset_usec + USB_RESET_USEC))
                return;
        log_warning("%s: it has not answered for long, and QMID_USB_RESET is set: resetting its USB device",
                    d->place.name);
        d->usb_reset_usec = now;
        r = usb_reset_new(&d->usb_reset, d->event, d->place.physical_device, device_on_usb_reset, d);
        if (r < 0)
                log_warning_errno(r, "%s: cannot reset its USB device", d->place.name);
}

bool device_is_resetting(Device *d) {
        uint64_t now;

        return d->usb_reset || (d->usb_reset_usec > 0 && sd_event_now(d->event, CLOCK_BOOTTIME, &now) >= 0 &&
                                now < d->usb_reset_usec + USB_RESET_AWAY_USEC);
}

static void device_on_link_changed(Link *l, void *userdata) {
        device_tell(userdata, DEVICE_CHANGE_LINK);
}

static void device_on_link_save(Link *l, void *userdata) {
        Device *d = userdata;

        d->ops->on_save(d, d->userdata);
}

/* Its place says for the first time that there is a network interface. */
static int device_make_link(Device *d) {
        static const LinkOps ops = { .on_changed = device_on_link_changed, .on_save = device_on_link_save };

        return d->link || !d->net || !*d->place.interfaces ? 0 : link_new(&d->link, d, d->net, &ops, d);
}

int device_new(Device **ret, sd_event *event, const DevicePlace *place, Net *net, const DeviceOps *ops,
               void *userdata) {
        static const MuxOps mux_ops = {
                .on_state = device_on_mux_state,
                .on_exhausted = device_on_exhausted,
                .on_save = device_on_save,
                .may_sync = device_may_sync,
                .on_silent_long = device_on_silent_long,
        };
        _cleanup_(device_freep) Device *d = NULL;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->event = sd_event_ref(event);
        d->ops = ops;
        d->userdata = userdata;
        TAILQ_INIT(&d->watches);
        r = device_place_copy(place, &d->place);
        if (r < 0)
                return r;
        r = mux_new(&d->mux, event, place->uri, place->vendor, place->window, &mux_ops, d);
        if (r < 0)
                return r;
        d->net = net;
        r = device_make_link(d);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

static void device_drop_questions(Device *d) {
        for (ModelFact i = 0; i < _MODEL_FACT_MAX; i++)
                d->questions[i].request = request_cancel(d->questions[i].request);
}

void device_release(Device *d, void (*done)(Mux *m, void *userdata), void *userdata) {
        device_drop_questions(d);
        if (d->link)
                link_rest(d->link);
        mux_release_all(d->mux, done, userdata);
}

Device *device_free(Device *d) {
        if (!d)
                return NULL;
        device_drop_questions(d);
        for (ModelFact i = 0; i < _MODEL_FACT_MAX; i++)
                free(d->facts[i]);
        usb_reset_free(d->usb_reset);
        link_free(d->link);
        mux_free(d->mux);
        free(d->services);
        device_place_done(&d->place);
        sd_event_unref(d->event);
        free(d);
        return NULL;
}

int device_open(Device *d) {
        return mux_open(d->mux);
}

int device_open_lost(Device *d) {
        return mux_open_lost(d->mux);
}

void device_set_busy(Device *d, const char *reason) {
        mux_set_busy(d->mux, reason);
}

int device_adopt(Device *d, int fd) {
        int r;

        r = port_adopt(mux_get_port(d->mux), fd);
        if (r < 0)
                close(fd);
        return r;
}

/* ---- unplugged, and there again ---- */

int device_set_place(Device *d, const DevicePlace *place) {
        bool moves = !streq(d->place.uri, place->uri);
        bool renamed = !strv_equal(d->place.interfaces, (const char *const *) place->interfaces);
        DevicePlace copy;
        int r;

        r = device_place_copy(place, &copy);
        if (r < 0)
                return r;
        if (moves) {
                port_stop(mux_get_port(d->mux));
                r = port_move(mux_get_port(d->mux), place->uri);
                if (r < 0) {
                        device_place_done(&copy);
                        return r;
                }
        }
        device_place_done(&d->place);
        d->place = copy;
        mux_set_window(d->mux, copy.window);
        r = device_make_link(d);
        if (r < 0)
                log_warning_errno(r, "%s: cannot make its link", d->place.name);
        else if (d->link)
                link_on_place(d->link);
        d->ops->on_save(d, d->userdata);
        if (moves || renamed)
                device_tell(d, (moves ? DEVICE_CHANGE_PORT : 0) | (renamed ? DEVICE_CHANGE_INTERFACES : 0));
        return 0;
}

int device_reopen(Device *d) {
        if (mux_get_state(d->mux) == MUX_INHIBITED) /* opened by its end */
                return 0;
        port_stop(mux_get_port(d->mux));
        return port_start(mux_get_port(d->mux));
}

/* ---- kept over a restart ---- */

void device_save(Device *d, Packer *p) {
        size_t part;

        device_place_save(&d->place, p);
        for (ModelFact i = 0; i < _MODEL_FACT_MAX; i++)
                pack_string(p, d->facts[i] ?: "");
        part = pack_part_begin(p);
        if (mux_save(d->mux, p) < 0)
                p->error = p->error ?: -ENOMEM;
        pack_part_end(p, part);
        part = pack_part_begin(p);
        if (d->link)
                link_save(d->link, p);
        pack_part_end(p, part);
}

void device_save_port(Device *d, Packer *p) {
        port_save(mux_get_port(d->mux), p);
}

static int device_restore_facts(Device *d, Unpacker *u) {
        bool all = true;

        for (ModelFact i = 0; i < _MODEL_FACT_MAX; i++) {
                const char *s = unpack_string(u);

                if (!utf8_is_valid(s, strlen(s)))
                        unpack_fail(u);
                all = all && *s;
                d->facts[i] = *s ? strdup(s) : NULL;
                if (*s && !d->facts[i])
                        return -ENOMEM;
        }
        d->facts_fresh = all && port_get_fd(mux_get_port(d->mux)) >= 0;
        return u->error;
}

static int device_restore_mux(Device *d, Unpacker *u, Unpacker *port) {
        Unpacker part = unpack_part(u);
        int r;

        r = mux_restore(d->mux, &part, !port);
        if (r >= 0)
                r = unpack_end(&part);
        if (r >= 0 && port)
                r = port_restore(mux_get_port(d->mux), port);
        if (r >= 0)
                r = device_keep_services(d);
        return MIN(r, 0);
}

static int device_restore_link(Device *d, Unpacker *u) {
        Unpacker part = unpack_part(u);
        int r = u->error;

        if (r >= 0 && d->link && part.size > 0) {
                r = link_restore(d->link, &part);
                if (r >= 0)
                        r = unpack_end(&part);
        }
        return r;
}

int device_restore(Device **ret, sd_event *event, Unpacker *u, Unpacker *port, int fd, Net *net,
                   const DeviceOps *ops, void *userdata) {
        _cleanup_(device_freep) Device *d = NULL;
        DevicePlace place = {};
        int r;

        r = device_place_restore(&place, u);
        if (r >= 0)
                r = device_new(&d, event, &place, net, ops, userdata);
        device_place_done(&place);
        if (r < 0) {
                if (fd >= 0)
                        close(fd);
                return r;
        }
        if (fd >= 0)
                (void) device_adopt(d, fd);
        r = device_restore_facts(d, u);
        if (r >= 0)
                r = device_restore_mux(d, u, port);
        if (r >= 0)
                r = device_restore_link(d, u);
        if (r >= 0)
                r = unpack_end(u);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

void device_detach(Device *d) {
        device_drop_questions(d);
        if (d->link)
                link_rest(d->link);
        port_keep(mux_get_port(d->mux));
        mux_detach(d->mux);
}

const char *device_get_name(Device *d) {
        return d->place.name;
}

const DevicePlace *device_get_place(Device *d) {
        return &d->place;
}

static const char *device_get_address(Device *d) {
        return strchr(d->place.uri, ':') + 1;
}

const char *device_get_port_name(Device *d) {
        return strncmp(device_get_address(d), "/dev/", 5) == 0 ? device_get_address(d) : d->place.uri;
}

bool device_is_primary(Device *d) {
        return !d->secondary;
}

void device_set_primary(Device *d, bool primary) {
        if (d->secondary == !primary)
                return;
        d->secondary = !primary;
        device_tell(d, DEVICE_CHANGE_PRIMARY);
}

Mux *device_get_mux(Device *d) {
        return d->mux;
}

Link *device_get_link(Device *d) {
        return d->link;
}

sd_event *device_get_event(Device *d) {
        return d->event;
}

Net *device_get_net(Device *d) {
        return d->net;
}

void device_watch(Device *d, DeviceWatch *w) {
        TAILQ_INSERT_TAIL(&d->watches, w, entry);
}

void device_unwatch(Device *d, DeviceWatch *w) {
        TAILQ_REMOVE(&d->watches, w, entry);
}

void device_on_interface(Device *d, const char *name) {
        DeviceWatch *w;

        if (d->link)
                link_on_interface(d->link, name);
        TAILQ_FOREACH(w, &d->watches, entry)
                w->on_interface(w);
}

static const char *device_get_fact(Device *d, ModelFact fact) {
        return d->facts[fact] ? d->facts[fact] : "";
}

const char *device_get_manufacturer(Device *d) {
        return device_get_fact(d, FACT_MANUFACTURER);
}

const char *device_get_model(Device *d) {
        return device_get_fact(d, FACT_MODEL);
}

const char *device_get_revision(Device *d) {
        return device_get_fact(d, FACT_REVISION);
}

size_t device_get_services(Device *d, const MuxService **ret) {
        *ret = d->services;
        return d->n_services;
}

bool device_has_service(Device *d, uint16_t service) {
        for (size_t i = 0; i < d->n_services; i++)
                if (d->services[i].id == service)
                        return true;
        return false;
}

bool device_has_name(Device *d, const char *name) {
        const char *address = device_get_address(d);
        const char *base = strrchr(address, '/');

        return streq(name, d->place.name) || streq(name, d->place.uri) || streq(name, address) ||
               (base && streq(name, base + 1)) || (*d->place.id_path && streq(name, d->place.id_path)) ||
               strv_has(d->place.interfaces, name);
}

bool device_has_imei(Device *d, const char *imei) {
        return imei_is(device_get_fact(d, FACT_IMEI), imei);
}
