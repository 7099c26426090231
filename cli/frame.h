/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "cli.h"
#include "pcapng.h"
#include "qmi/frame.h"
#include "qmi/schema.h"

/* Frames of a trace, for people and programs. */

/* Those that are wanted: of a service, of a message. */
typedef struct FrameFilter {
        bool of_service, of_message;
        uint16_t service;
        int message, indication; /* their ids; -1: none */
} FrameFilter;

/* From "nas", "nas get-signal-info" or "0xe1 0x0021". Returns an exit code; what is wrong is told. */
int frame_filter_parse(FrameFilter *f, char **args, size_t n_args);
/* A frame that does not parse has a service at most. */
bool frame_filter_matches(const FrameFilter *f, const uint8_t *frame, size_t n_frame);

/* One line, or with --expand a line and then the fields, or one value of JSON. Lines are cut at `width`
 * columns; 0: never. */
int frame_print(FILE *file, const PcapngFrame *frame, const Options *o, size_t width);
