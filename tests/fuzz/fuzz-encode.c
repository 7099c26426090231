/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "codec.h"
#include "generate.h"
#include "qmi/text.h"

/* Which message (codec.h), then what a dictionary for it is made up from: mostly one that can be sent. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        Source s = { .wild = true };
        CodecError error = {};
        TlvWriter w = {};
        Choice c;
        Arena a;
        Value v;
        int r;

        if (n_data < CHOICE_SIZE || n_data > 4096)
                return 0;
        c = choose(data);
        if (!c.message)
                return 0;
        s.next = data + CHOICE_SIZE;
        s.left = n_data - CHOICE_SIZE;

        arena_init(&a);
        v = generate_message(c.message, c.type, c.vendor, false, &s, &a);
        r = message_encode(c.message, c.type, c.vendor, &v, &w, &error);
        if (r < 0) {
                must(r == -EINVAL || r == -EMSGSIZE);
                must(error.text[0] && utf8_is_valid(error.text, strlen(error.text)));
        } else {
                Value decoded;

                /* What we send we understand. */
                must(message_decode(c.message, c.type, c.vendor, w.bytes, w.n_bytes, &a, &decoded) == 0);
                must(!value_dict_get(&decoded, "unknown_tlvs"));
                check_decode(&c, w.bytes, w.n_bytes);
        }
        tlv_writer_done(&w);
        arena_done(&a);
        return 0;
}
