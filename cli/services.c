/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services.h"

#include "cli.h"
#include "qmi/codec-error.h"

int service_find(const char *name, const SchemaService **ret) {
        const SchemaService *s = schema_service_by_name(name);

        if (!s)
                return cli_error(EXIT_USAGE, "unknown service '%s'; 'qmictl describe' lists those there are",
                                 name);
        *ret = s;
        return EXIT_OK;
}

const SchemaIdOnly *id_only_find(const SchemaService *s, const char *name) {
        for (uint16_t i = 0; i < schema_n_id_only; i++)
                if (&schema_services[schema_id_only[i].service] == s && streq(schema_id_only[i].name, name))
                        return &schema_id_only[i];
        return NULL;
}

const SchemaIdOnly *id_only_by_id(const SchemaService *s, uint16_t id, uint16_t vendor) {
        for (uint16_t i = 0; i < schema_n_id_only; i++) {
                const SchemaIdOnly *m = &schema_id_only[i];

                if (&schema_services[m->service] == s && m->id == id &&
                    (m->vendor == 0 || vendor == 0 || m->vendor == vendor))
                        return m;
        }
        return NULL;
}

int message_find(const SchemaService *s, const char *name, const SchemaMessage **ret) {
        const char *service = schema_string(s->name);
        const SchemaMessage *m = schema_message_by_name(s, name);
        const SchemaIdOnly *id_only = id_only_find(s, name);
        Suggestions near = { .wrong = name };
        char text[128];

        if (!m && schema_indication_by_name(s, name))
                return cli_error(EXIT_USAGE, "%s %s is an indication; 'qmictl monitor %s' shows it", service,
                                 name, service);
        if (!m && id_only)
                return cli_error(EXIT_USAGE,
                                 "of %s %s only the id is known; 'qmictl raw %s 0x%04x' sends it, with TLVs "
                                 "as bytes",
                                 service, name, service, id_only->id);
        if (!m) {
                for (uint16_t i = 0; i < s->n_messages; i++)
                        suggestions_add(&near, schema_string(schema_messages[s->first_message + i].name));
                return cli_error(EXIT_USAGE, "%s has no message '%s'%s", service, name,
                                 suggestions_text(&near, text, sizeof(text)));
        }
        *ret = m;
        return EXIT_OK;
}

char *message_title(const SchemaMessage *m, Arena *a) {
        return arena_printf(a, "%s %s", schema_string(schema_services[m->service].name),
                            schema_string(m->name));
}
