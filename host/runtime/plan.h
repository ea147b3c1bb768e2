/* Which kernels a shape gets on a device. */
#ifndef CLLOSS_HOST_PLAN_H
#define CLLOSS_HOST_PLAN_H

#include <clloss/clloss.h>
#include <stdbool.h>

#include "device.h"
#include "message.h"
#include "tuning.h"

typedef struct {
  uint32_t family, local_size;
  size_t rows_per_group, slices;
} clloss__overrides;

/* What plans are made from. */
typedef struct {
  clloss__device facts;
  clloss__overrides overrides;
  clloss__tuning tuning;
} clloss__planner;

/* The work-items that share a row. A team is a compilation of the same kernel source. */
typedef struct {
  const char *name, *rows, *along; /* what its kernels' names end in, by clloss__plan_variant */
  bool group;
} clloss__team;

/* Forms of rows that the group team may hold in registers or local memory: kernels/team/held.clh. As bits: which of them a
 * call has kernels of. */
enum {
  CLLOSS__WALKED,
  CLLOSS__HELD,
  CLLOSS__LONG,
  CLLOSS__TILE,
  CLLOSS__SUMS, /* not rows, but what is found of all of them */
  CLLOSS__HAS_HELD = 1 << CLLOSS__HELD,
  CLLOSS__HAS_LONG = 1 << CLLOSS__LONG,
  CLLOSS__HAS_TILE = 1 << CLLOSS__TILE,
  CLLOSS__ALL_FORMS = CLLOSS__HAS_HELD | CLLOSS__HAS_LONG | CLLOSS__HAS_TILE
};

/* The rows of a call, as far as plans ask. */
typedef struct {
  size_t rows, classes, element_bytes; /* classes are not zero */
  size_t inner;                        /* rows that are neighbours in memory; 1: none */
  bool strided;                        /* a class is not next to the one before */
  bool packed;                         /* nothing lies between two rows */
  bool along;                          /* the call has kernels of rows along */
  bool splits;                         /* … of rows that several work-groups share */
  uint32_t forms;                      /* … and of CLLOSS__HAS_HELD … */
  bool options;                        /* those are the kernels of calls with options */
  size_t arrays;                       /* that are held at once; 0: 1 */
  size_t row_items_most;               /* work-items that a held row may have; 0: 1024 */
} clloss__rows;

/* The overrides, checked against the device: CLLOSS_PLAN. */
clloss_status clloss__plan_read_overrides(clloss__message *message, const clloss__device *facts,
                                          const clloss_ctx_options *options, clloss__overrides *overrides);

/* The team that the device's rows are given to when nothing overrides it. */
const clloss__team *clloss__plan_team(const clloss__planner *planner);

typedef struct {
  uint32_t family;
  const clloss__team *team;
  bool rows_in_lanes; /* sixteen rows at a time, one per vector lane … */
  bool along;         /* … each walked along its classes, for the results alone are in lanes */
  uint32_t form; /* CLLOSS__HELD …: of row_items work-items for each row, and so many vectors for each */
  bool options;  /* its kernels are those of calls with options */
  size_t row_items, vectors;
  size_t sum_items; /* work-items of the work-groups that weigh, divide and finish */
  size_t local_size, rows_per_group, slices;
  size_t blocks; /* of rows_per_group rows */
  size_t past_cache_bytes,
      past_cache_row_bytes; /* from so many on, in all and in a row: clloss__plan_past_cache */
  const char *why;
} clloss__plan;

/* The plan for such rows; without rows there are no work-groups. */
clloss__plan clloss__plan_rows(const clloss__planner *planner, const clloss__rows *rows);

/* Local memory that kernels of held rows take beside what is folded in: of a tile the rows themselves, else as good as none. */
size_t clloss__plan_held_bytes(const clloss__plan *plan, const clloss__rows *rows);

/* … and what a work-group folds in; row_items: of held rows. */
size_t clloss__plan_fold_bytes(size_t items, size_t row_items, uint32_t form);

/* Work-groups that the plan has, or another may have at most that a kernel forces by taking fewer work-items. */
size_t clloss__plan_blocks_most(const clloss__planner *planner, const clloss__plan *plan, size_t rows,
                                size_t inner);

/* Work-groups of the group team at most, but for rows in registers. */
size_t clloss__plan_groups_most(const clloss__planner *planner);

/* Gives each work-group whole runs of `inner` rows, or less than one (share_of in kernels/team/rows.clh), about rows_per_group of
 * them, and counts the work-groups. */
void clloss__plan_fit(clloss__plan *plan, size_t rows, size_t inner);

/* Work-groups of the first `rows` rows under the plan: all of them, or as many whole units as clloss__plan_unit says. */
size_t clloss__plan_blocks(const clloss__plan *plan, size_t rows, size_t inner);

/* Rows of so many bytes that a part of a call must be a multiple of, so that its work-groups are the whole call's, and its rows
 * begin as far from a packet's address as there, wherever a part's buffer lies. */
size_t clloss__plan_unit(const clloss__plan *plan, size_t inner, size_t row_bytes);

/* Whether an output is too large to stay in cache: one that isn't in place is then written around it, unless rows are
 * short. A row's ends share their cache lines with its neighbours, and are stored twice over: at 100 classes of f32 the
 * fused pass took three times as long as through the cache, at 1000 from as long to 1.4 times, at 4096 three quarters. */
bool clloss__plan_past_cache(const clloss__plan *plan, size_t rows, size_t classes, uint32_t dtype);

/* The plan where no element needs another: a work-group takes whole rows, or a slice of a long one. Classes
 * are not zero; without rows there are no work-groups. */
clloss__plan clloss__plan_elements(const clloss__planner *planner, size_t rows, size_t classes,
                                   size_t element_bytes);

/* "lane", "lane_rows", "lane_along", "group", …: what the names end in of kernels that go over whole rows. Of others, and of
 * what exists for the team alone, that is plan->team->name. */
const char *clloss__plan_variant(const clloss__plan *plan);

/* Classes in each of its slices; the last may have fewer. */
size_t clloss__plan_slice(const clloss__plan *plan, size_t classes);

/* What a view may turn out to be that isn't there yet: for a workspace that suffices for each. */
typedef struct {
  uint32_t dtype;
  bool strided, along, packed, formed;
} clloss__guess;

enum { CLLOSS__GUESSES = 48 };
clloss__guess clloss__guess_of(const clloss__device *facts, int i);

/* Fills the caller's struct: CLLOSS_STRUCT_SIZE. how: the words of clloss__probed for held rows of the group team. */
clloss_status clloss__plan_describe(clloss__message *message, const clloss__plan *plan, const char *how,
                                    clloss_plan *out);

#endif
