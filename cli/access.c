/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "access.h"

#include "access/class.h"

const char *access_class_in_error(const char *text, size_t *ret_n) {
        static const char before[] = "needs access class ";
        const char *found = strstr(text, before);

        if (!found)
                return NULL;
        found += strlen(before);
        *ret_n = strspn(found, "abcdefghijklmnopqrstuvwxyz_");
        return *ret_n > 0 ? found : NULL;
}

static AccessSet access_of_key(const SchemaField *f, const char *key);

static AccessSet access_of_part(const SchemaType *t, const char *key) {
        AccessSet classes = 0;

        while (t->kind == SCHEMA_ARRAY)
                t = &schema_types[t->item];
        if (t->kind == SCHEMA_STRUCT || t->kind == SCHEMA_BITS)
                for (uint16_t i = 0; i < t->count; i++)
                        classes |= access_of_key(&schema_fields[t->item + i], key);
        return classes;
}

/* "gsm.cell_id": what is withheld is the last part. */
static AccessSet access_of_key(const SchemaField *f, const char *key) {
        const char *name = schema_string(f->name);
        size_t n = strlen(name);

        if (strncmp(name, key, n) != 0)
                return 0;
        if (key[n] == '.')
                return access_of_part(&schema_types[f->type], key + n + 1);
        return key[n] == '\0' && f->access != ACCESS_NONE ? ACCESS_SET(f->access) : 0;
}

static AccessSet access_of_tlvs(SchemaTlvs tlvs, const char *key) {
        AccessSet classes = 0;

        for (uint16_t i = 0; i < tlvs.n; i++)
                classes |= access_of_key(&schema_tlvs[tlvs.first + i].field, key);
        return classes;
}

AccessSet access_of_withheld(const SchemaMessage *m, QmiMessageType type, const Value *withheld) {
        AccessSet classes = 0;

        for (uint32_t i = 0; i < withheld->n; i++) {
                const char *key = withheld->elements[i].string;

                if (streq(key, "unknown_tlvs"))
                        classes |= ACCESS_SET(ACCESS_RAW);
                if (!m)
                        continue;
                classes |= access_of_tlvs(message_tlvs(m, type), key);
                if (type == QMI_RESPONSE && m->result != SCHEMA_NO_MESSAGE)
                        classes |= access_of_tlvs(schema_messages[m->result].response, key);
        }
        return classes;
}

void access_print_remedy(OutputLine *l, AccessSet classes) {
        output_words(l, ACCESS_REMEDY);
        for (AccessClass c = ACCESS_NONE + 1; c < _ACCESS_CLASS_MAX; c++) {
                char action[64];

                if (!(classes & ACCESS_SET(c)))
                        continue;
                classes &= ~ACCESS_SET(c);
                snprintf(action, sizeof(action), ACCESS_ACTION_PREFIX "%s%s", access_class_to_string(c),
                         classes ? "," : "");
                output_word(l, action);
        }
}
