/* A set's programs as one blob of bytes, for a program to keep between its runs. */
#ifndef CLLOSS_HOST_PROGRAM_BLOB_H
#define CLLOSS_HOST_PROGRAM_BLOB_H

#include "program_set.h"

/* The key of the set's device into text[CLLOSS_KEY_BYTES]. */
clloss_status clloss__blob_key(clloss__message *message, cl_device_id device, char *text);

/* *size_bytes is what all takes, also where blob is NULL or has no room for it: CLLOSS_SIZE of the latter. */
clloss_status clloss__blob_write(clloss__program_set *set, clloss__message *message, void *blob,
                                 size_t room_bytes, size_t *size_bytes);

/* Adds what the blob holds and the set doesn't: the blob may go then. CLLOSS_VALUE where it isn't one for this set, or is cut or
 * changed: the set is as it was. */
clloss_status clloss__blob_read(clloss__program_set *set, clloss__message *message, const void *blob,
                                size_t size_bytes);

#endif
