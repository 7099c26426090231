/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ArgsInput of a person at a terminal. Both print what fails and return a negative errno. */

/* Standard input to its end, without one newline at the end. At most INPUT_MAX bytes, and text: -EINVAL. */
int input_read(char **ret, void *userdata);
/* The same from a file; "-" is standard input. */
int input_read_file(const char *path, char **ret);

/* Asks on the controlling terminal without echo. -ENOTTY without a terminal (nothing printed), -ECANCELED
 * when the person ended the input instead. */
int input_ask(const char *key, char **ret, void *userdata);

/* Overwrites what came from either, and frees it. */
void input_freep(char **text);

#define INPUT_MAX (256U * 1024)
