/* How a call says what went wrong: at the bottom, so that everything can. */
#ifndef CLLOSS_HOST_MESSAGE_H
#define CLLOSS_HOST_MESSAGE_H

#include <clloss/clloss.h>
#include <stdarg.h>

typedef struct {
  char text[4096];
} clloss__message;

/* Formats the message and returns status, so that a check reads `return clloss__say(…)`. NULL takes none. What is above the
 * ctx calls clloss__fail (ctx.h). */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
clloss_status
clloss__say(clloss__message *message, clloss_status status, const char *format, ...);

#if defined(__GNUC__)
__attribute__((format(printf, 3, 0)))
#endif
clloss_status
clloss__vsay(clloss__message *message, clloss_status status, const char *format, va_list args);

/* Copies a caller's struct, whose first member is its struct_size, into this library's newer or older idea of it:
 * a shorter one is filled up with zeros, a longer one is accepted while the rest is zero. */
clloss_status clloss__read_struct(clloss__message *message, const char *name, void *to, size_t size,
                                  const void *from);

#endif
