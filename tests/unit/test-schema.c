/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/codec-error.h"
#include "qmi/schema-text.h"
#include "qmi/schema.h"
#include "qmi/text.h"
#include "unit.h"

/* The shipped tables, and the lookups in them. */

static const SchemaService *service(const char *name) {
        const SchemaService *s = schema_service_by_name(name);

        check(s);
        return s;
}

static const char *name_of(const SchemaMessage *m) {
        return m ? schema_string(m->name) : NULL;
}

static void test_services(void) {
        const SchemaService *nas = service("nas");

        check_int(nas->id, 0x03);
        check_str(schema_string(nas->interface), "org.qmid1.Nas");
        check(schema_service_by_name("Nas") == nas);
        check(schema_service_by_id(0x03, 0) == nas);
        check(schema_service_by_id(0x03, 0x1199) == nas);

        /* The multiplexer's own, not on the bus. */
        check_str(schema_string(service("ctl")->interface), "");

        check(!schema_service_by_name(""));
        check(!schema_service_by_name("na"));
        check(!schema_service_by_name("nass"));
        check(!schema_service_by_id(0xFFFF, 0));
}

static void test_messages(void) {
        const SchemaService *nas = service("nas");
        const SchemaMessage *m = schema_message_by_id(nas, false, 0x004F, 0);

        check_str(name_of(m), "get-signal-info");
        check_str(schema_string(m->member), "GetSignalInfo");
        check_int(m->kind, KIND_QUERY);
        check_int(m->access, ACCESS_STATUS);
        check(schema_message_by_name(nas, "get-signal-info") == m);
        check(schema_message_by_name(nas, "GetSignalInfo") == m);
        check(schema_message_by_name(nas, "get_signal_info") == m);
        check(!schema_message_by_name(nas, "get-signal"));
        check(!schema_message_by_name(nas, "get-signal-info-2"));
        check(!schema_message_by_name(nas, ""));
        check(!schema_message_by_id(nas, false, 0x0051, 0));

        m = schema_message_by_id(nas, true, 0x0051, 0);
        check_str(name_of(m), "signal-info");
        check(m->is_indication);
        check(schema_indication_by_name(nas, "SignalInfo") == m);
        check(!schema_message_by_name(nas, "SignalInfo"));
}

/* Two vendors use DMS 0x5556 for different things. */
static void test_vendors(void) {
        const SchemaService *dms = service("dms");

        check_str(name_of(schema_message_by_id(dms, false, 0x5556, 0x03F0)), "hp-change-device-mode");
        check_str(name_of(schema_message_by_id(dms, false, 0x5556, 0x1199)), "swi-get-current-firmware");
        check(schema_message_by_id(dms, false, 0x5556, 0));
        check(!schema_message_by_id(dms, false, 0x5556, 0x2C7C));
        /* Everybody has this one. */
        check_str(name_of(schema_message_by_id(dms, false, 0x0025, 0x1199)), "get-ids");
}

/* A vendor's service is found for modems of that vendor, and where the vendor is not known. */
static void test_services_of_vendors(void) {
        const SchemaService *s = schema_service_by_id(0xE7, 0x1BC7);

        check(s);
        check_str(schema_string(s->name), "gms");
        check(schema_service_by_id(0xE7, 0) == s);
        check(!schema_service_by_id(0xE7, 0x1199));
        check_str(schema_string(schema_service_by_id(0xE3, 0x0489)->name), "fox");
        check(!schema_service_by_id(0xE3, 0x1BC7));
        check(schema_service_by_id(0xE0, 0x1199) == service("cat")); /* everybody's */
}

static void test_references(void) {
        const SchemaService *wds = service("wds");
        const SchemaMessage *start = schema_message_by_name(wds, "start-network");

        check(start);
        check_str(name_of(schema_messages + start->undo), "stop-network");
        check_str(name_of(schema_messages + start->abort), "abort");
        check_int(start->result, SCHEMA_NO_MESSAGE);
        check_int(start->kind, KIND_SESSION);
        check(start->flags & SCHEMA_HAS_SECRET);
}

static void test_enums(void) {
        uint32_t value = 12345;

        check_str(schema_error_symbol(0), "success");
        check_str(schema_error_symbol(26), "no_effect");
        check_str(schema_error_symbol(7), "invalid_client_id");
        check_str(schema_error_symbol(0xF005), "cat_envelope_command_failed");
        check(!schema_error_symbol(18));
        check(!schema_error_symbol(0xFFFF));
        check_int(schema_enum_value(schema_error_enum, "no_effect", &value), 0);
        check_int(value, 26);
        check_int(schema_enum_value(schema_error_enum, "invalid-client_id", &value), 0);
        check_int(value, 7);
        check_int(schema_enum_value(schema_error_enum, "no-effect", &value), 0);
        check_int(value, 26);
        check_int(schema_enum_value(schema_error_enum, "no effect", &value), -ENOENT);
        check_int(schema_enum_value(schema_error_enum, "no-", &value), -ENOENT);
        check_int(schema_enum_value(schema_error_enum, "", &value), -ENOENT);
        check_int(schema_enum_value(schema_error_enum, "no-such-thing", &value), -ENOENT);
        check_int(value, 26);
}

/* However long symbols are, what is said of a wrong one is never cut. */
static void test_no_symbol_text(void) {
        char text[NO_SYMBOL_TEXT_MAX], wrong[128];

        for (uint16_t i = 0; i < schema_n_enums; i++) {
                const SchemaEnum *e = schema_enums + i;

                for (uint16_t k = 0; k < e->n; k++) {
                        const char *symbol = schema_string(schema_enum_values[e->first + k].symbol);
                        size_t n;

                        snprintf(wrong, sizeof(wrong), "%sx", symbol);
                        if (schema_enum_value(i, wrong, &(uint32_t){ 0 }) == 0)
                                continue;
                        no_symbol_text(i, wrong, text, sizeof(text));
                        n = strlen(text);
                        check(n < sizeof(text) - 1 && utf8_is_valid(text, n));
                        check(strstr(text, ", …") || e->n <= 12);
                        check(strstr(text, "; did you mean ") && text[n - 1] == '?');
                }
        }
}

static void test_names(void) {
        check_str(access_class_to_string(ACCESS_SIM_UNLOCK), "sim_unlock");
        check(!access_class_to_string(_ACCESS_CLASS_MAX));
        check(!access_class_to_string(_ACCESS_CLASS_INVALID));
        check_str(message_kind_to_string(KIND_QUERY), "query");
        check(!message_kind_to_string(_MESSAGE_KIND_MAX));
        for (AccessClass c = 0; c < _ACCESS_CLASS_MAX; c++)
                check(access_class_to_string(c));
        for (MessageKind k = 0; k < _MESSAGE_KIND_MAX; k++)
                check(message_kind_to_string(k));
}

static void check_field(const SchemaField *f) {
        check(f->type < schema_n_types);
        check(f->name != 0 || (f->flags & SCHEMA_PADDING));
}

static void test_types(void) {
        for (uint16_t i = 0; i < schema_n_types; i++) {
                const SchemaType *t = schema_types + i;

                check(t->kind < _SCHEMA_KIND_MAX);
                check(*schema_string(t->signature));
                switch ((SchemaKind) t->kind) {
                case SCHEMA_ENUM:
                case SCHEMA_FLAGS:
                        check(t->item < schema_n_enums);
                        check(schema_enums[t->item].n > 0);
                        break;
                case SCHEMA_ARRAY:
                        /* Else a count could ask for any number of elements. */
                        check(t->item < schema_n_types);
                        check(schema_types[t->item].min_size > 0);
                        break;
                case SCHEMA_STRUCT:
                case SCHEMA_BITS: {
                        unsigned bits = 0;

                        check(t->count > 0);
                        check(t->item + t->count <= schema_n_fields);
                        for (uint16_t k = 0; k < t->count; k++) {
                                const SchemaField *f = schema_fields + t->item + k;

                                check_field(f);
                                bits += f->bits;
                                if (f->flags & SCHEMA_VALID_BIT) {
                                        check(f->mask_field < k);
                                        check(schema_fields[t->item + f->mask_field].flags & SCHEMA_HIDDEN);
                                }
                                if (schema_types[f->type].length == LENGTH_FIELD) {
                                        check(schema_types[f->type].count < k);
                                        check(schema_fields[t->item + schema_types[f->type].count].flags &
                                              SCHEMA_HIDDEN);
                                }
                        }
                        check_int(bits, t->kind == SCHEMA_BITS ? t->width * 8U : 0);
                        break;
                }
                case SCHEMA_UINT:
                case SCHEMA_INT:
                        check(t->width >= 1 && t->width <= 8);
                        check(schema_numbers[t->number].multiplier != 0);
                        check(schema_numbers[t->number].divisor > 0);
                        break;
                case SCHEMA_STRING:
                case SCHEMA_BYTES:
                        check(t->length != LENGTH_NONE);
                        break;
                case SCHEMA_FLOAT:
                case SCHEMA_BOOL:
                case SCHEMA_IPV4:
                case SCHEMA_IPV6:
                case SCHEMA_PLMN_BCD:
                case SCHEMA_PLMN_ASCII:
                case SCHEMA_PLMN_BINARY:
                        check_int(t->min_size, t->width);
                        break;
                case SCHEMA_EMPTY:
                        check_int(t->min_size, 0);
                        break;
                case _SCHEMA_KIND_MAX:
                        check(false);
                }
        }
}

static void check_tlvs(SchemaTlvs tlvs) {
        check(tlvs.first + tlvs.n <= schema_n_tlvs);
        for (uint16_t i = 0; i < tlvs.n; i++) {
                const SchemaTlv *t = schema_tlvs + tlvs.first + i;

                check_field(&t->field);
                if (i == 0 || t[-1].id != t->id) {
                        check_int(t->alternative, 0);
                        check(i == 0 || t[-1].id < t->id);
                } else {
                        check_int(t->alternative, t[-1].alternative + 1);
                        check_int(t->field.name, t[-1].field.name);
                }
        }
}

static void check_messages(uint8_t service_row, uint16_t first, uint16_t n, bool indications) {
        check(first + n <= schema_n_messages);
        for (uint16_t i = 0; i < n; i++) {
                const SchemaMessage *m = schema_messages + first + i;

                check_int(m->service, service_row);
                check_int(m->is_indication, indications);
                check(m->access > ACCESS_NONE && m->access < _ACCESS_CLASS_MAX);
                check_int(m->kind == KIND_NONE, indications || schema_services[service_row].id == 0);
                check(i == 0 || m[-1].id < m->id || (m[-1].id == m->id && m[-1].vendor < m->vendor));
                check(m->abort == SCHEMA_NO_MESSAGE || m->abort < schema_n_messages);
                check(m->undo == SCHEMA_NO_MESSAGE || m->undo < schema_n_messages);
                check(m->result == SCHEMA_NO_MESSAGE || schema_messages[m->result].is_indication);
                check(*schema_message_abouts[first + i]);
                check_tlvs(m->request);
                check_tlvs(m->response);
        }
}

static void test_rows(void) {
        uint16_t n_messages = 0;

        check_str(schema_string(0), "");
        check(schema_n_services >= 6);
        for (uint16_t i = 0; i < schema_n_services; i++) {
                const SchemaService *s = schema_services + i;

                check(i == 0 || s[-1].id < s->id || (s[-1].id == s->id && s[-1].vendor < s->vendor));
                check(*schema_service_titles[i]);
                check_messages((uint8_t) i, s->first_message, s->n_messages, false);
                check_messages((uint8_t) i, s->first_indication, s->n_indications, true);
                n_messages += s->n_messages + s->n_indications;
        }
        check_int(n_messages, schema_n_messages);
}

static void test_id_only(void) {
        for (uint16_t i = 0; i < schema_n_id_only; i++) {
                const SchemaIdOnly *m = schema_id_only + i;

                check(m->service < schema_n_services);
                check(*m->name);
                check(i == 0 || m[-1].service < m->service ||
                      (m[-1].service == m->service &&
                       (m[-1].id < m->id || (m[-1].id == m->id && m[-1].vendor < m->vendor))));
        }
}

static void test_enum_rows(void) {
        for (uint16_t i = 0; i < schema_n_enums; i++)
                for (uint16_t k = 0; k < schema_enums[i].n; k++) {
                        const SchemaEnumValue *v = schema_enum_values + schema_enums[i].first + k;

                        check(k == 0 || v[-1].value <= v->value);
                        check(*schema_string(v->symbol) && !strchr(schema_string(v->symbol), '-'));
                }
}

int main(void) {
        test_services();
        test_messages();
        test_vendors();
        test_services_of_vendors();
        test_references();
        test_enums();
        test_no_symbol_text();
        test_names();
        test_types();
        test_rows();
        test_id_only();
        test_enum_rows();
        return 0;
}
