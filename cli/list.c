/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"
#include "device.h"
#include "json.h"
#include "reply.h"
#include "table.h"

static int compare_devices(const void *a, const void *b) {
        const Value *x = a, *y = b;

        return strcmp(reply_text(x, "path"), reply_text(y, "path"));
}

static int print_table(const Options *o, Arena *a, const Value *devices) {
        static const char *const headers[] = { "NAME", "MODEL", "STATE", "PORT" };
        Table t = { .arena = a, .headers = headers, .n_columns = ELEMENTSOF(headers) };

        for (uint32_t i = 0; i < devices->n; i++) {
                const Value *device = &devices->elements[i];
                const char **cells = table_add(&t);

                if (!cells)
                        return cli_oom();
                cells[0] = reply_text(device, "name");
                cells[1] = reply_text(device, "model");
                cells[2] = reply_text(device, "state");
                cells[3] = reply_text(device, "port");
        }
        table_print(&t, stdout, o->legend);
        return EXIT_OK;
}

int verb_list(const Options *o, char **args, size_t n_args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(arena_done) Arena a;
        Value objects, devices = { .type = VALUE_ARRAY, .signature = "a{sv}" };
        int r;

        arena_init(&a);
        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = bus_new_call(bus, QMID_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &m);
        if (r != EXIT_OK)
                return r;
        r = bus_call(o, bus, m, "listing the devices", BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        r = reply_read(reply, &a, &objects);
        if (r >= 0 && objects.type != VALUE_DICT)
                r = -EBADMSG;
        if (r < 0)
                return bus_fail_errno("listing the devices", r);

        devices.elements = arena_alloc(&a, objects.n * sizeof(Value));
        if (!devices.elements)
                return cli_oom();
        for (uint32_t i = 0; i < objects.n; i++) {
                const Value *properties = value_dict_get(&objects.entries[i].value, QMID_DEVICE_INTERFACE);

                if (!properties)
                        continue;
                r = device_describe(objects.entries[i].key, properties, &a, &devices.elements[devices.n++]);
                if (r < 0)
                        return cli_oom();
        }
        qsort(devices.elements, devices.n, sizeof(Value), compare_devices);

        return o->json != JSON_OFF ? json_print(stdout, &devices, o->json) : print_table(o, &a, &devices);
}
