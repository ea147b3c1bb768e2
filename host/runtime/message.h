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

/* What every call of OpenCL's that fails is told as: the step that needed it, formatted, then the call and its code, as in
 * "workspace of 65536 bytes: clCreateBuffer answers CL_OUT_OF_RESOURCES (-5)". Returns the code. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
clloss_status
clloss__say_opencl(clloss__message *message, cl_int error, const char *call, const char *step, ...);

/* Copies a caller's struct, whose first member is its struct_size, into this library's newer or older idea of it:
 * a shorter one is filled up with zeros, a longer one is accepted while the rest is zero. */
clloss_status clloss__read_struct(clloss__message *message, const char *name, void *to, size_t size,
                                  const void *from);

#endif
