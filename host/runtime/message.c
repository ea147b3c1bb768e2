/* Messages, and the struct_size rule. */
#include "message.h"

#include <stdio.h>
#include <string.h>

clloss_status clloss__vsay(clloss__message *message, clloss_status status, const char *format, va_list args) {
  if (message) vsnprintf(message->text, sizeof message->text, format, args);
  return status;
}

clloss_status clloss__say(clloss__message *message, clloss_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  clloss__vsay(message, status, format, args);
  va_end(args);
  return status;
}

clloss_status clloss__say_opencl(clloss__message *message, cl_int error, const char *call, const char *step,
                                 ...) {
  if (!message) return error;
  va_list args;
  va_start(args, step);
  clloss__vsay(message, error, step, args);
  va_end(args);
  const size_t n = strlen(message->text);
  snprintf(message->text + n, sizeof message->text - n, ": %s answers %s (%d)", call,
           clloss_status_name(error), error);
  return error;
}

clloss_status clloss__read_struct(clloss__message *message, const char *name, void *to, size_t size,
                                  const void *from) {
  size_t given;
  memcpy(&given, from, sizeof given);
  if (given < sizeof given) {
    return clloss__say(message, CLLOSS_STRUCT_SIZE, "%s.struct_size is %zu: set it to sizeof the struct",
                       name, given);
  }
  for (size_t i = size; i < given; ++i) {
    if (((const unsigned char *)from)[i] != 0) {
      return clloss__say(
          message, CLLOSS_STRUCT_SIZE,
          "%s.struct_size is %zu, this version knows %zu bytes, and byte %zu beyond them is not zero", name,
          given, size, i);
    }
  }
  memset(to, 0, size);
  memcpy(to, from, given < size ? given : size);
  return CLLOSS_SUCCESS;
}
