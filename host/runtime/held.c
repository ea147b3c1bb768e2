/* The list of events that are kept until they end. */
#include "held.h"

#include <stdlib.h>

void clloss__held_forget(clloss__held *held) {
  size_t kept = 0;
  for (size_t i = 0; i < held->n; ++i) {
    cl_int state = CL_COMPLETE;
    clGetEventInfo(held->events[i], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    if (state != CL_COMPLETE) {
      held->events[kept++] = held->events[i];
    } else {
      clReleaseEvent(held->events[i]);
    }
  }
  held->n = kept;
}

/* Those that have ended are looked for when the list has doubled since the last time: a constant cost per event. */
void clloss__held_add(clloss__held *held, cl_event event) {
  enum { LEAST = 16 };
  if (held->n >= held->forget_at) {
    clloss__held_forget(held);
    held->forget_at = held->n < LEAST / 2 ? LEAST : 2 * held->n;
    if (held->forget_at > held->room) {
      cl_event *events = realloc(held->events, held->forget_at * sizeof *events);
      if (events) {
        held->events = events;
        held->room = held->forget_at;
      }
      held->forget_at = held->room; /* without more room now the next event asks for it again */
    }
  }
  if (held->n < held->room) {
    held->events[held->n++] = event;
  } else {
    clReleaseEvent(event);
  }
}

void clloss__held_release(clloss__held *held) {
  for (size_t i = 0; i < held->n; ++i) clReleaseEvent(held->events[i]);
  held->n = 0;
}

void clloss__held_free(clloss__held *held) { free(held->events); }
