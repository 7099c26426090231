/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-ids.h"

void client_ids_wipe(ClientIds *c) {
        for (size_t i = 0; i < c->n; i++)
                free(c->clients[i].indications);
        c->n = 0;
}

void client_ids_done(ClientIds *c) {
        client_ids_wipe(c);
        free(c->clients);
        c->clients = NULL;
}

int client_ids_allocate(ClientIds *c, uint16_t service, uint8_t *ret) {
        unsigned pool = c->pool_of_service[service & 0xFF] ?: c->pool;
        SimClient *grown;
        unsigned id;

        for (id = 1; id <= pool; id++)
                if (!client_ids_find(c, service, (uint8_t) id))
                        break;
        if (id > MIN(pool, 0xFEU))
                return -EDQUOT;

        grown = reallocarray(c->clients, c->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        c->clients = grown;
        c->clients[c->n++] = (SimClient){ .service = service, .id = (uint8_t) id };
        *ret = (uint8_t) id;
        return 0;
}

SimClient *client_ids_find(ClientIds *c, uint16_t service, uint8_t id) {
        for (size_t i = 0; i < c->n; i++)
                if (c->clients[i].service == service && c->clients[i].id == id)
                        return &c->clients[i];
        return NULL;
}

bool client_ids_release(ClientIds *c, uint16_t service, uint8_t id) {
        SimClient *found = client_ids_find(c, service, id);

        if (!found)
                return false;
        free(found->indications);
        *found = c->clients[--c->n];
        return true;
}

size_t client_ids_count(const ClientIds *c, int service) {
        size_t n = 0;

        for (size_t i = 0; i < c->n; i++)
                n += service < 0 || c->clients[i].service == service;
        return n;
}

bool sim_client_is_registered(const SimClient *c, uint16_t indication) {
        if (c->all)
                return true;
        for (size_t i = 0; i < c->n_indications; i++)
                if (c->indications[i] == indication)
                        return true;
        return false;
}

int sim_client_register(SimClient *c, uint16_t indication) {
        uint16_t *grown;

        if (sim_client_is_registered(c, indication))
                return 0;
        grown = reallocarray(c->indications, c->n_indications + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        c->indications = grown;
        c->indications[c->n_indications++] = indication;
        return 0;
}

void sim_client_unregister(SimClient *c, uint16_t indication) {
        for (size_t i = 0; i < c->n_indications; i++)
                if (c->indications[i] == indication) {
                        c->indications[i] = c->indications[--c->n_indications];
                        return;
                }
}
