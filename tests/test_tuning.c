/* The text of clloss_ctx_options.tuning: what each of its numbers changes in a plan, and what it may not be. */
#include <clloss/clloss.h>
#include <string.h>

#include "check.h"
#include "fixture.h"
#include "runtime/tuning.h"

static fixture f;

/* The plan of rows × classes on a ctx with that text, on the team of that family; of a call whose rows the group team
 * walks, as rows per work-group are given, or holds. */
static clloss_plan plan_of(const char *tuning, uint32_t family, size_t rows, size_t classes, bool walks) {
  const clloss_ctx_options options = {
      .struct_size = sizeof options, .tuning = tuning, .family = family, .rows_per_group = walks};
  clloss_xent xent = {.struct_size = sizeof xent, .rows = rows, .classes = classes};
  clloss_plan plan = {.struct_size = sizeof plan};
  clloss_ctx *ctx = NULL;
  CHECK_EQ(clloss_ctx_create(&ctx, f.context, f.device, &options), CLLOSS_SUCCESS);
  CHECK_EQ(clloss_xent_plan(ctx, &xent, &plan), CLLOSS_SUCCESS);
  clloss_ctx_destroy(&ctx);
  return plan;
}

static clloss_plan plan_with(const char *tuning, uint32_t family, size_t rows, size_t classes) {
  return plan_of(tuning, family, rows, classes, false);
}

/* Numbers that make any device's plan say so; the group family's take the team as well. */
static void changes_plans(void) {
  const uint32_t lane = CLLOSS_FAMILY_LANE, group = CLLOSS_FAMILY_GROUP, split = CLLOSS_FAMILY_SPLIT;
  CHECK(strcmp(plan_with(NULL, lane, 4096, 10).variant, "lane_rows") == 0);
  CHECK(strcmp(plan_with("lane_rows_classes 9", lane, 4096, 10).variant, "lane") == 0);
  CHECK(strcmp(plan_with("lane_rows_classes 10", lane, 4096, 10).variant, "lane_rows") == 0);
  CHECK(strcmp(plan_with(NULL, lane, 4096, 100).variant, "lane_along") == 0);
  CHECK(strcmp(plan_with("lane_along_classes 100", lane, 4096, 100).variant, "lane_along") == 0);
  CHECK(strcmp(plan_with("lane_along_classes 99", lane, 4096, 100).variant, "lane") == 0);
  CHECK_EQ(plan_with("lane_block_bytes 16384", lane, 1 << 14, 1024).rows_per_group, 4u);
  CHECK_EQ(plan_with("lane_block_bytes 65536", lane, 1 << 14, 1024).rows_per_group, 16u);
  CHECK_EQ(plan_with("split_slice_classes 1000", split, 1, 3000).slices <= 3, 1);
  CHECK_EQ(plan_with("group_items 32", group, 4096, 100).local_size, 128u);
  CHECK_EQ(plan_of(NULL, group, 4096, 4096, true).local_size, 256u);
  CHECK_EQ(plan_of("group_items 32", group, 4096, 4096, true).local_size, 32u);
  CHECK_EQ(plan_of("group_few_classes 4096", group, 4096, 4096, true).local_size, 128u);
  CHECK_EQ(plan_with("group_few_items 64", group, 4096, 100).local_size, 64u);
  CHECK(strcmp(plan_with(NULL, group, 4096, 10).variant, "group_tile") == 0);
  CHECK(strcmp(plan_with("group_tile_classes 9", group, 4096, 10).variant, "group_held") == 0);
  CHECK_EQ(plan_with("group_few_items 8", group, 4096, 1024).local_size, 32u);
  CHECK_EQ(plan_with("group_few_items 8\ngroup_vectors 4", group, 4096, 1024).local_size, 64u);
  CHECK(strcmp(plan_with(NULL, group, 4, 40000).variant, "group_long") == 0);
}

static void splits(void) {
  cl_device_type type = 0;
  clGetDeviceInfo(f.device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
  if (!(type & CL_DEVICE_TYPE_CPU)) return;
  const uint32_t automatic = CLLOSS_FAMILY_AUTO;
  CHECK_EQ(plan_with(NULL, automatic, 1, 131072).family, CLLOSS_FAMILY_SPLIT);
  CHECK_EQ(plan_with("split_classes 131073", automatic, 1, 131072).family, CLLOSS_FAMILY_LANE);
  CHECK_EQ(plan_with("split_rows_per_unit 0", automatic, 1, 131072).family, CLLOSS_FAMILY_LANE);
  CHECK(plan_with(NULL, automatic, 1, 131072).why[0] != 0);
}

/* Comments, blanks, line ends of every kind, and a later line before an earlier one. */
static void reads_text(void) {
  const char *const texts[] = {
      "lane_block_bytes 16384", "# a comment\n\n \t lane_block_bytes \t16384 # of logits\r\n",
      "lane_block_bytes 65536\nlane_block_bytes 16384\n", "#\nlane_block_bytes 0016384"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    CHECK_EQ(plan_with(texts[i], CLLOSS_FAMILY_LANE, 1 << 14, 1024).rows_per_group, 4u);
  CHECK(strcmp(plan_with("", CLLOSS_FAMILY_LANE, 4096, 10).variant, "lane_rows") == 0);
}

static void refuses_text(void) {
  static const struct {
    const char *text, *says;
  } bad[] = {
      {"block_bytes 1", "line 1: there is no value called block_bytes"},
      {"\n#\nlane_block_bytes", "line 3: lane_block_bytes is : it takes one whole number from 1024 to"},
      {"lane_block_bytes x", "is x: it takes"},
      {"lane_block_bytes -1", "is -1: it takes"},
      {"lane_block_bytes 1e6", "is 1e6: it takes"},
      {"lane_block_bytes 1023", "is 1023: it takes"},
      {"lane_block_bytes 16384 2", "is 16384 2: it takes"},
      {"lane_block_bytes=16384", "no value called lane_block_bytes=16384"},
      {"group_items 1025", "from 2 to 1024"},
      {"split_classes 99999999999999999999999", "it takes"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char message[512] = "";
    const clloss_ctx_options options = {.struct_size = sizeof options,
                                        .message = message,
                                        .message_size_bytes = sizeof message,
                                        .tuning = bad[i].text};
    clloss_ctx *ctx = NULL;
    CHECK_EQ(clloss_ctx_create(&ctx, f.context, f.device, &options), CLLOSS_PLAN);
    CHECK(ctx == NULL);
    if (!strstr(message, bad[i].says)) fprintf(stderr, "\"%s\" doesn't say: %s\n", message, bad[i].says);
    CHECK(strstr(message, bad[i].says) != NULL);
  }
}

/* Whether a ctx takes `name` with a number that ends in these digits. */
static bool takes(const char *name, size_t number, const char *digits) {
  char text[100];
  snprintf(text, sizeof text, "%s %zu%s", name, number, digits);
  const clloss_ctx_options options = {.struct_size = sizeof options, .tuning = text};
  clloss_ctx *ctx = NULL;
  const clloss_status status = clloss_ctx_create(&ctx, f.context, f.device, &options);
  CHECK(status == CLLOSS_SUCCESS || status == CLLOSS_PLAN);
  clloss_ctx_destroy(&ctx);
  return status == CLLOSS_SUCCESS;
}

/* Every number at its least and most, and next to them; one that fits no size_t is ten times the largest. */
static void keeps_ends(void) {
  static const struct {
    const char *name;
    size_t least, most;
  } ends[] = {
#define ROW(name, value, least, most) {#name, least, most},
      CLLOSS__TUNING_LIST(ROW)
#undef ROW
  };
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    const bool least = takes(ends[i].name, ends[i].least, ""), most = takes(ends[i].name, ends[i].most, "");
    const bool less = ends[i].least && takes(ends[i].name, ends[i].least - 1, "");
    const bool more = ends[i].most < SIZE_MAX ? takes(ends[i].name, ends[i].most + 1, "")
                                              : takes(ends[i].name, ends[i].most, "0");
    if (!least || !most || less || more) fprintf(stderr, "%s:\n", ends[i].name);
    CHECK(least && most && !less && !more);
  }
}

int main(void) {
  if (!fixture_open(&f)) return 2;
  changes_plans();
  splits();
  reads_text();
  refuses_text();
  keeps_ends();
  fixture_close(&f);
  return check_done();
}
