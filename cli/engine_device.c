/* An OpenCL device, through the public API. */
#include "engine_device.h"

#include "cli.h"
#include "devices.h"

#include <inttypes.h>
#include <stdlib.h>

bool device_broken(const engine *e, const char *what, clloss_status status) {
  const device *s = e->state;
  const char *words = s->ctx ? clloss_ctx_message(s->ctx) : "";
  fail(EXIT_FAILED, "device %s: %s: %s: %s", s->name, what, clloss_status_name(status),
       *words ? words : clloss_status_text(status));
  return false;
}

static void shut(engine *e) {
  device *s = e->state;
  if (s->queue && !clFinish(s->queue)) program_cache_write(&s->programs, s->ctx);
  program_cache_free(&s->programs);
  device_free_elements(&s->elements);
  clloss_ctx_destroy(&s->ctx);
  if (s->queue) clReleaseCommandQueue(s->queue);
  if (s->context) clReleaseContext(s->context);
  free(s->name);
  free(s);
}

/* Takes the number from the request to a ctx. */
static bool start(engine *e, cl_device_id id) {
  device *s = e->state;
  cl_int status;
  char text[512] = "";
  clloss_ctx_options options = {
      .struct_size = sizeof options, .message = text, .message_size_bytes = sizeof text};
  e->name = s->name = device_name(id);
  if (!s->name) {
    fail(EXIT_FAILED, "out of memory");
    return false;
  }
  s->context = clCreateContext(NULL, 1, &id, NULL, NULL, &status);
  if (!s->context) return device_broken(e, "no OpenCL context", status);
  s->queue = clCreateCommandQueue(s->context, id, 0, &status);
  if (!s->queue) return device_broken(e, "no command queue", status);
  program_cache_read(&s->programs, id);
  options.programs = s->programs.bytes;
  options.programs_size_bytes = s->programs.size;
  status = clloss_ctx_create(&s->ctx, s->context, id, &options);
  if (!status) return true;
  return device_broken(e, *text ? text : "no ctx", status);
}

static bool choose(uint64_t number, cl_device_id *id) {
  device_list list;
  if (!devices_find(&list)) return false;
  bool found = number < list.n;
  if (found)
    *id = list.devices[number];
  else if (list.n)
    fail(EXIT_FAILED, "--device %" PRIu64 ": no such device; clloss devices lists them", number);
  else
    fail(EXIT_FAILED, "--device %" PRIu64 ": no OpenCL device found; --reference needs none", number);
  devices_free(&list);
  return found;
}

bool engine_open_device(engine *e, uint64_t number) {
  cl_device_id id;
  if (!choose(number, &id)) return false;
  *e = (engine){.state = calloc(1, sizeof(device)), .run = device_run_softmax};
  e->elements = device_run_elements, e->close = shut;
  if (!e->state) {
    fail(EXIT_FAILED, "out of memory");
    return false;
  }
  if (start(e, id)) return true;
  shut(e);
  e->close = NULL;
  return false;
}
