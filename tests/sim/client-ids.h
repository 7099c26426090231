/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* The modem's table of client ids: a small pool for each service, and what each client registered for. */

#define CLIENT_POOL_DEFAULT 10U /* about what modems have */

typedef struct SimClient {
        uint16_t service;
        uint8_t id;
        bool all; /* registered for every indication of its service */
        uint16_t *indications;
        size_t n_indications;
        uint8_t mux, family; /* of WDS: which gate it is about; family 0: it has not said */
        bool in_sessions;    /* has to do with data calls: it hears of them */
} SimClient;

typedef struct ClientIds {
        SimClient *clients;
        size_t n;
        unsigned pool;                   /* ids per service */
        unsigned pool_of_service[0x100]; /* 0: as `pool` */
} ClientIds;

void client_ids_done(ClientIds *c);
void client_ids_wipe(ClientIds *c);
/* The lowest free id of the service: 0, -EDQUOT when its pool is used up, -ENOMEM. */
int client_ids_allocate(ClientIds *c, uint16_t service, uint8_t *ret);
bool client_ids_release(ClientIds *c, uint16_t service, uint8_t id);
SimClient *client_ids_find(ClientIds *c, uint16_t service, uint8_t id);
size_t client_ids_count(const ClientIds *c, int service); /* below 0: of all services */

int sim_client_register(SimClient *c, uint16_t indication);
void sim_client_unregister(SimClient *c, uint16_t indication);
bool sim_client_is_registered(const SimClient *c, uint16_t indication);
