/* A driver that can't compile: PoCL takes build options from the environment (and keeps what it read first, hence a
 * program of its own), so the word `kernel` is made one that no source survives. The code and the compiler's log come
 * out, the log names the kernel's real file and line, nothing is enqueued, and the ctx stays fit to ask. That the next
 * call succeeds once the compiler does is test_faults' business. */
#include "check.h"
#include "fixture.h"

#include <stdlib.h>

/* "kernels/<folder>/<name>.cl:<line>:" with a line that isn't 0. */
static bool names_file_and_line(const char *log) {
  for (const char *at = strstr(log, "kernels/"); at; at = strstr(at + 1, "kernels/")) {
    const char *colon = strchr(at, ':');
    if (colon && colon - at > 3 && (!strncmp(colon - 3, ".cl", 3) || !strncmp(colon - 4, ".clh", 4)) &&
        atoi(colon + 1) > 0)
      return true;
  }
  return false;
}

static void check_failure(clloss_ctx *ctx, clloss_status status) {
  CHECK_STATUS(status, CL_BUILD_PROGRAM_FAILURE);
  const char *message = clloss_ctx_message(ctx);
  if (strstr(message, "error") && names_file_and_line(message)) return;
  check_fail(__FILE__, __LINE__);
  fprintf(stderr, "the message isn't the compiler's log with file and line: \"%s\"\n", message);
}

int main(void) {
  fixture f;
  clloss_ctx *ctx = NULL;
  clloss_ctx_stats stats = {.struct_size = sizeof stats};
  problem p;
  char platform[128] = "";
  setenv("POCL_EXTRA_BUILD_FLAGS", "-Dkernel=@", 1);
  if (!fixture_open(&f)) return 1;
  clGetPlatformInfo(f.platform, CL_PLATFORM_NAME, sizeof platform, platform, NULL);
  if (!strstr(platform, "Portable Computing Language")) {
    printf("the first platform is %s: only PoCL's compiler can be made to fail\n", platform);
    fixture_close(&f);
    return 77; /* skipped */
  }
  bool open = problem_open(&p, f.queue, 3, 4, CLLOSS_MEAN, 1);
  CHECK(open);
  CHECK_STATUS(clloss_ctx_create(&ctx, f.context, f.device, NULL), CLLOSS_SUCCESS);
  if (open && ctx) {
    CHECK(problem_poison(&p, FUSED, f.queue));
    for (int i = 0; i < 2; i++) {
      cl_event done = NULL;
      check_failure(ctx, problem_run(&p, FUSED, ctx, f.queue, 0, NULL, &done));
      CHECK(!done);
      const clloss_xent x = problem_xent(&p, FUSED);
      const clloss_call call = {.call = CLLOSS_CALL_XENT_FUSED, .arrays = &x, .options = &p.options};
      check_failure(ctx, clloss_ctx_prebuild(ctx, &call, 1));
    }
    CHECK(problem_untouched(&p, FUSED, f.queue));
    CHECK_STATUS(clloss_ctx_get_stats(ctx, &stats), CLLOSS_SUCCESS);
    CHECK_EQ(stats.kernels_enqueued, 0);
    CHECK_EQ(stats.programs_built, 0);
  }
  if (open) problem_close(&p);
  clloss_ctx_destroy(&ctx);
  fixture_close(&f);
  return check_done();
}
