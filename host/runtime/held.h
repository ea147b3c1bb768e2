/* Events that nobody else holds, kept until they end: PoCL 3.1 aborts when a command fails whose event has been released,
 * also a moment after it has told of the failure. So those that fail are kept as long as the list. */
#ifndef CLLOSS_HOST_HELD_H
#define CLLOSS_HOST_HELD_H

#include <clloss/clloss.h>

typedef struct {
  cl_event *events;
  size_t n, room, forget_at;
} clloss__held;

/* Takes the caller's reference over. */
void clloss__held_add(clloss__held *held, cl_event event);

/* Releases the events that have ended well. */
void clloss__held_forget(clloss__held *held);

/* Releases all of them, also what hasn't ended; the list is then the owner's to free. */
void clloss__held_release(clloss__held *held);

/* Frees the list without a call of OpenCL. */
void clloss__held_free(clloss__held *held);

#endif
