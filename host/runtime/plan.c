/* Device facts + shape → kernels, by the table below: the first line that fits is the plan. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "../../kernels/team/fold_bytes.clh"
#include "sizes.h"

/* LANES: a bound that kernels/xent/xent_rows.clh states; packets: kernels/team/packet.clh. */
enum { LANES = 16, SLICES_MOST = 64, PACKET_BYTES = 16 };

/* PoCL 3.1 compiles a second version of each kernel for grids above this. */
enum { BLOCKS_MOST = 65535 };

/* Work-groups of the group team for each compute unit: enough that the last few to end don't show, and few that their partial
 * sums are. */
enum { GROUPS_PER_UNIT = 32 };

/* Of the one work-group that adds up what work-groups of held rows have left, which are many. */
enum { SUM_ITEMS = 1024 };

static const clloss__team lane_team = {"lane", "lane_rows", "lane_along", false};
static const clloss__team group_team = {"group", "group_rows", "group_along", true};

/* How rows are held, by length: the first that has room for the classes and no more items than the loss can have. Several
 * short rows share a work-group. Beyond the last a row's rest is read twice. From measurements of registers (tests/gpu_static): a
 * plain row of cross-entropy takes 64 registers with eight vectors, of which a GPU has enough for 1024 items; other losses up to
 * 128, enough for 512 (clloss__rows.row_items_most). */
static const struct {
  size_t row_items, vectors;
} held[] = {{8, 4}, {16, 4}, {32, 4}, {32, 8}, {64, 8}, {128, 8}, {256, 8}, {1024, 4}, {512, 8}, {1024, 8}};

/* A bound of the table: a number of tuning.h's list, or one of these. */
enum { ONE = CLLOSS__TUNINGS, BEYOND_TILE, ANY };

#define T(name) CLLOSS__##name

/* rows/unit: at most so many rows for each compute unit. A split pays where whole rows would leave units idle; it needs
 * neighbouring classes. */
static const struct {
  bool lane; /* the team: lane on a CPU, group elsewhere, unless overridden */
  bool strided;
  int classes_least, classes_most, rows_per_unit_most;
  uint32_t family;
  int items;
  bool rows_in_lanes, along; /* along: for losses that have such kernels */
  const char *why;
} rules[] = {
    /* clang-format off */
    /* lane strided  classes from       to                    rows/unit               family                items            in lanes along */
    {true,  true,  ONE,              ANY,                  ANY,                    CLLOSS_FAMILY_LANE,  ONE,             true,  false,
     "neighbouring rows are neighbours in memory"},
    {true,  false, BEYOND_TILE,      T(lane_along_classes), ANY,                   CLLOSS_FAMILY_LANE,  ONE,             true,  true,
     "few classes: sixteen rows at once, each along its classes"},
    {true,  false, ONE,              T(lane_rows_classes), ANY,                    CLLOSS_FAMILY_LANE,  ONE,             true,  false,
     "few classes: sixteen rows at once"},
    {true,  false, T(split_classes), ANY,                  T(split_rows_per_unit), CLLOSS_FAMILY_SPLIT, ONE,             false, false,
     "few rows: whole ones would leave cores idle"},
    {true,  false, ONE,              ANY,                  ANY,                    CLLOSS_FAMILY_LANE,  ONE,             false, false,
     "rows enough for every core"},
    {false, true,  ONE,              ANY,                  ANY,                    CLLOSS_FAMILY_GROUP, T(group_few_items), true,  false,
     "neighbouring rows are neighbours in memory"},
    {false, false, T(split_classes), ANY,                  T(split_rows_per_unit), CLLOSS_FAMILY_SPLIT, T(group_items),  false, false,
     "few rows: whole ones would leave units idle"},
    {false, false, ONE,              T(group_few_classes), ANY,                    CLLOSS_FAMILY_GROUP, T(group_few_items), false, false,
     "few classes: a small work-group per row"},
    {false, false, ONE,              ANY,                  ANY,                    CLLOSS_FAMILY_GROUP, T(group_items),  false, false,
     "a work-group per row"},
    /* clang-format on */
};

static size_t tuned(const clloss__planner *planner, int which) {
  return which == ANY           ? SIZE_MAX
         : which == ONE         ? 1
         : which == BEYOND_TILE ? LANES + 1
                                : planner->tuning.of[which];
}

clloss_status clloss__plan_read_overrides(clloss__message *message, const clloss__device *facts,
                                          const clloss_ctx_options *options, clloss__overrides *overrides) {
  const uint32_t family = options->family;
  if (family > CLLOSS_FAMILY_SPLIT) {
    return clloss__say(message, CLLOSS_PLAN, "options.family is %u: no kernel family has this number",
                       family);
  }
  if (options->local_size > facts->local_most) {
    return clloss__say(message, CLLOSS_PLAN, "options.local_size is %u, this device takes at most %zu",
                       options->local_size, facts->local_most);
  }
  if (options->local_size > 1 && family != CLLOSS_FAMILY_GROUP && family != CLLOSS_FAMILY_SPLIT) {
    return clloss__say(message, CLLOSS_PLAN,
                       "options.local_size is %u: only families group and split have one",
                       options->local_size);
  }
  if (options->rows_per_group && (family == CLLOSS_FAMILY_AUTO || family == CLLOSS_FAMILY_SPLIT)) {
    return clloss__say(message, CLLOSS_PLAN,
                       "options.rows_per_group is %llu: only families lane and group have it",
                       (unsigned long long)options->rows_per_group);
  }
  if (options->slices &&
      (family != CLLOSS_FAMILY_SPLIT || options->slices < 2 || options->slices > SLICES_MOST)) {
    return clloss__say(message, CLLOSS_PLAN,
                       "options.slices is %llu: it goes with family split and from 2 to %d",
                       (unsigned long long)options->slices, SLICES_MOST);
  }
  *overrides = (clloss__overrides){
      .family = family,
      .local_size = options->local_size,
      .rows_per_group = (size_t)clloss__min((size_t)options->rows_per_group, SIZE_MAX / 2),
      .slices = (size_t)options->slices,
  };
  return CLLOSS_SUCCESS;
}

const clloss__team *clloss__plan_team(const clloss__planner *planner) {
  const clloss__overrides *o = &planner->overrides;
  const bool group = o->family == CLLOSS_FAMILY_GROUP ||
                     (o->family != CLLOSS_FAMILY_LANE && !planner->facts.cpu &&
                      planner->facts.local_most > 1) ||
                     (o->family == CLLOSS_FAMILY_SPLIT && o->local_size > 1);
  return group ? &group_team : &lane_team;
}

/* Rows per lane work-group: lane_block_bytes of them, fewer where that would leave a unit without its four blocks, more
 * where there would be too many blocks; a multiple of sixteen where sixteen go together. Rows that fill no block stay
 * together: waking a second unit takes longer than they do. */
static size_t block_rows(const clloss__planner *planner, size_t rows, size_t row_bytes, size_t step) {
  size_t n = clloss__max(1, tuned(planner, T(lane_block_bytes)) / row_bytes);
  n = rows <= n ? rows : clloss__min(n, clloss__max(1, rows / (4 * planner->facts.units)));
  n = clloss__max(n, clloss__ceil_div(rows, BLOCKS_MOST));
  return clloss__ceil_div(n, step) * step;
}

/* Enough for every unit, and so many that a slice, which is gone over twice, stays in L1. */
static size_t slices_for(const clloss__planner *planner, size_t rows, size_t classes) {
  enum { SLICE_MOST = 8192 };
  const size_t wanted = clloss__max(clloss__ceil_div(4 * planner->facts.units, rows),
                                    clloss__ceil_div(classes, SLICE_MOST));
  return clloss__max(
      2, clloss__min(clloss__min(wanted, SLICES_MOST), classes / tuned(planner, T(split_slice_classes))));
}

/* Rows in lanes go in chunks, which don't reach over the end of a run of neighbours. */
static size_t chunk_rows(const clloss__plan *plan) {
  return plan->rows_in_lanes && plan->team == &lane_team ? LANES : 1;
}

static size_t chunks_per_run(const clloss__plan *plan, size_t rows, size_t inner) {
  return clloss__ceil_div(inner > 1 ? inner : clloss__max(rows, 1), chunk_rows(plan));
}

void clloss__plan_fit(clloss__plan *plan, size_t rows, size_t inner) {
  const size_t chunk = chunk_rows(plan), per = chunks_per_run(plan, rows, inner);
  const size_t runs = inner > 1 ? rows / inner : 1;
  size_t share = clloss__ceil_div(plan->rows_per_group, chunk);
  if (runs > 1 && share < per && runs <= BLOCKS_MOST) {
    share = clloss__max(share, clloss__ceil_div(per, BLOCKS_MOST / runs));
  } else if (runs > 1) {
    share = clloss__max(clloss__ceil_div(share, per), clloss__ceil_div(runs, BLOCKS_MOST)) * per;
  }
  plan->rows_per_group = share * chunk;
  plan->blocks = clloss__plan_blocks(plan, rows, inner);
}

size_t clloss__plan_blocks(const clloss__plan *plan, size_t rows, size_t inner) {
  const size_t chunk = chunk_rows(plan), per = chunks_per_run(plan, rows, inner);
  const size_t share = clloss__ceil_div(plan->rows_per_group, chunk);
  const size_t runs = inner > 1 ? rows / inner : rows != 0;
  return share < per ? runs * clloss__ceil_div(per, share) : clloss__ceil_div(runs * per, share);
}

/* Whether a few work-items share each row, and take its packets in turn. */
static bool in_packets(uint32_t form) { return form == CLLOSS__HELD || form == CLLOSS__LONG; }

size_t clloss__plan_unit(const clloss__plan *plan, size_t inner, size_t row_bytes) {
  if (inner == 1) {
    size_t rows = plan->rows_per_group;
    while (in_packets(plan->form) && rows * row_bytes % PACKET_BYTES) rows *= 2;
    return rows;
  }
  const size_t per = chunks_per_run(plan, inner, inner),
               share = clloss__ceil_div(plan->rows_per_group, chunk_rows(plan));
  return share < per ? inner : share / per * inner;
}

/* `usual`: a number of tuning.h's list, or ONE. */
static size_t group_items(const clloss__planner *planner, int usual) {
  const size_t wanted = planner->overrides.local_size ? planner->overrides.local_size : tuned(planner, usual);
  return clloss__min(wanted, planner->facts.local_most);
}

/* Elements that a packet has at most, and a row's edges at least one work-item each: kernels/team/held.clh. */
static size_t least_row_items(size_t element_bytes) { return element_bytes == 2 ? 14 : 6; }

size_t clloss__plan_held_bytes(const clloss__plan *plan, const clloss__rows *m) {
  const size_t real = m->element_bytes == 8 ? 8 : 4;
  return plan->form == CLLOSS__TILE ? plan->local_size * m->classes * real * clloss__max(1, m->arrays) : real;
}

size_t clloss__plan_fold_bytes(size_t items, size_t row_items, uint32_t form) {
  return FOLD_BYTES(items, in_packets(form) ? row_items : items);
}

static size_t vector_elements(size_t element_bytes) { return element_bytes == 8 ? 2 : 4; }

/* A long row has ROW_ITEMS_MOST items if its loss can. A loop over what isn't held takes registers as well: with more than 256
 * items, what is left suffices for half the vectors. */
enum { ROW_ITEMS_MOST = 1024, VECTORS_LONG = 4 };

/* Local memory that a plan's kernels take: to fold in, and what is held there. */
static size_t local_bytes(const clloss__plan *plan, const clloss__rows *m) {
  return clloss__plan_fold_bytes(plan->local_size, plan->row_items, plan->form) +
         (clloss__plan_held_bytes(plan, m) + 15) / 16 * 16;
}

static bool fits_local(const clloss__planner *planner, const clloss__plan *plan, const clloss__rows *m) {
  return local_bytes(plan, m) <= planner->facts.local_bytes;
}

/* Rows in registers: how many items for each and how many vectors. False where the group is too small, or local memory. */
static bool hold_rows(const clloss__planner *planner, const clloss__rows *m, clloss__plan *plan) {
  const size_t given = planner->overrides.local_size, few = tuned(planner, T(group_few_items));
  const size_t most = clloss__min(planner->facts.vectors, tuned(planner, T(group_vectors)) / 4 * 4);
  const size_t least = least_row_items(m->element_bytes);
  const size_t elements = vector_elements(m->element_bytes) / clloss__max(1, m->arrays);
  const size_t row_most = m->row_items_most ? m->row_items_most : ROW_ITEMS_MOST;
  plan->form = CLLOSS__LONG;
  plan->local_size = plan->row_items = given ? given : clloss__min(row_most, planner->facts.local_most);
  plan->vectors = plan->row_items > 256 ? VECTORS_LONG : most;
  for (size_t i = sizeof held / sizeof *held; i-- > 0;) {
    const size_t row = held[i].row_items, vectors = clloss__min(held[i].vectors, most);
    const size_t items = given ? given : clloss__max(row, clloss__min(few, planner->facts.local_most));
    const bool has_room = m->classes <= row * vectors * elements;
    if (row < least || row > row_most || items % row || items > planner->facts.local_most || !has_room)
      continue;
    clloss__plan rows = *plan;
    rows.form = CLLOSS__HELD;
    rows.local_size = items;
    rows.row_items = row;
    rows.vectors = vectors;
    if (fits_local(planner, &rows, m)) *plan = rows;
  }
  /* an override that none of them divides: a row for the whole of it, if it has room */
  if (plan->form == CLLOSS__LONG && m->classes <= plan->row_items * most * elements) {
    plan->form = CLLOSS__HELD;
    plan->vectors = most;
  }
  return plan->row_items >= least && fits_local(planner, plan, m) && (m->forms & 1u << plan->form);
}

/* Which form rows have that the call has kernels for, in a plan for walking them. */
static void shape_group(const clloss__planner *planner, const clloss__rows *m, clloss__plan *plan) {
  clloss__plan tile = *plan;
  tile.form = CLLOSS__TILE;
  tile.row_items = 1;
  tile.vectors = 4;
  tile.local_size = group_items(planner, T(group_few_items));
  const bool few = (m->forms & CLLOSS__HAS_TILE) && m->packed &&
                   m->classes <= tuned(planner, T(group_tile_classes));
  clloss__plan rows = *plan;
  if (few && fits_local(planner, &tile, m)) {
    tile.why = "rows in local memory, one per work-item";
    *plan = tile;
  } else if (hold_rows(planner, m, &rows)) {
    rows.options = m->options;
    rows.why = rows.form == CLLOSS__LONG           ? "long rows, read twice from their end"
               : rows.local_size == rows.row_items ? "rows in registers, one per group"
                                                   : "rows in registers, several per group";
    *plan = rows;
  }
}

/* Rows that a work-group of the group team has at once. */
static size_t rows_at_once(const clloss__plan *plan) {
  if (plan->rows_in_lanes || plan->form == CLLOSS__TILE) return plan->local_size;
  return plan->form ? plan->local_size / plan->row_items : 1;
}

size_t clloss__plan_blocks_most(const clloss__planner *planner, const clloss__plan *plan, size_t rows,
                                size_t inner) {
  if (!plan->team->group || plan->family == CLLOSS_FAMILY_SPLIT) return plan->blocks;
  if (plan->form) return rows;
  /* each run of neighbours may end in a work-group of its own */
  const size_t most = clloss__plan_groups_most(planner) + (inner > 1 ? rows / inner : 0);
  return clloss__max(plan->blocks, clloss__min(rows, most));
}

size_t clloss__plan_groups_most(const clloss__planner *planner) {
  return clloss__min(BLOCKS_MOST, GROUPS_PER_UNIT * planner->facts.units);
}

/* Held rows, in registers, go once and are gone. Else work-groups enough for every unit several times, and no more, as each
 * leaves partial sums. */
static size_t group_rows(const clloss__planner *planner, const clloss__plan *plan, size_t rows,
                         size_t together) {
  if (in_packets(plan->form)) return together;
  const size_t groups = clloss__plan_groups_most(planner);
  return clloss__ceil_div(clloss__max(1, clloss__ceil_div(rows, groups)), together) * together;
}

/* Of no rows: no work-groups. */
static clloss__plan nothing(const clloss__planner *planner) {
  const bool lane = clloss__plan_team(planner) == &lane_team;
  return (clloss__plan){.team = clloss__plan_team(planner),
                        .local_size = lane ? 1 : group_items(planner, T(group_items)),
                        .sum_items = lane ? 1 : group_items(planner, T(group_items)),
                        .rows_per_group = 1,
                        .slices = 1};
}

/* Whether there are so few rows that a split pays. Held rows are read once and a split's more often: where each unit has a
 * row to hold, none is split. */
static bool is_few(const clloss__planner *planner, const clloss__rows *m, bool lane, int most) {
  const size_t units = planner->facts.units;
  if (most == ANY) return true;
  const bool holds = !lane && m->forms && m->inner == 1 && !planner->overrides.rows_per_group;
  if (!m->splits || (holds && m->rows >= units)) return false;
  return clloss__ceil_div(m->rows, units) <= tuned(planner, most);
}

/* The table's line for the rows. */
static size_t rule_of(const clloss__planner *planner, const clloss__rows *m) {
  const clloss__overrides *o = &planner->overrides;
  const bool lane = clloss__plan_team(planner) == &lane_team;
  size_t i = 0;
  while (rules[i].lane != lane || rules[i].strided != m->strided || (rules[i].along && !m->along) ||
         m->classes < tuned(planner, rules[i].classes_least) ||
         m->classes > tuned(planner, rules[i].classes_most) ||
         !is_few(planner, m, lane, rules[i].rows_per_unit_most) ||
         (o->family && rules[i].family == CLLOSS_FAMILY_SPLIT && o->family != CLLOSS_FAMILY_SPLIT)) {
    ++i;
  }
  return i;
}

clloss__plan clloss__plan_rows(const clloss__planner *planner, const clloss__rows *m) {
  if (!m->rows) return nothing(planner);
  const clloss__overrides *o = &planner->overrides;
  const bool lane = clloss__plan_team(planner) == &lane_team;
  const size_t i = rule_of(planner, m);
  const bool can_split = m->splits && !m->strided;
  clloss__plan plan = {
      .family = o->family && (can_split || o->family != CLLOSS_FAMILY_SPLIT) ? o->family : rules[i].family,
      .team = clloss__plan_team(planner),
      .local_size = lane ? 1 : group_items(planner, rules[i].items),
      .slices = 1,
      .past_cache_bytes = tuned(planner, T(past_cache_bytes)),
      .sum_items = lane ? 1 : group_items(planner, rules[i].items),
      .past_cache_row_bytes = 8192,
      .why = o->family ? "overridden" : rules[i].why,
  };
  if (plan.family == CLLOSS_FAMILY_SPLIT) {
    plan.slices = o->slices ? o->slices : slices_for(planner, m->rows, m->classes);
    plan.rows_per_group = 1;
    plan.blocks = m->rows;
    return plan;
  }
  plan.rows_in_lanes = rules[i].rows_in_lanes;
  plan.along = rules[i].along;
  if (!lane && m->forms && !m->strided && m->inner == 1 && !o->rows_per_group) shape_group(planner, m, &plan);
  if (plan.form)
    plan.sum_items = o->local_size ? o->local_size : clloss__min(SUM_ITEMS, planner->facts.sum_most);
  const size_t together = !lane ? rows_at_once(&plan) : plan.rows_in_lanes ? LANES : 1;
  plan.rows_per_group = lane ? block_rows(planner, m->rows, m->classes * m->element_bytes, together)
                             : group_rows(planner, &plan, m->rows, together);
  if (o->rows_per_group) plan.rows_per_group = clloss__ceil_div(o->rows_per_group, together) * together;
  clloss__plan_fit(&plan, m->rows, m->inner);
  return plan;
}

bool clloss__plan_past_cache(const clloss__plan *plan, size_t rows, size_t classes, uint32_t dtype) {
  const size_t bytes = clloss_dtype_size(dtype);
  return bytes && classes >= plan->past_cache_row_bytes / bytes &&
         rows * classes >= plan->past_cache_bytes / bytes;
}

/* A slice is a piece of a row of whole quadruples of vectors, so that slices begin where they do in an uncut row. */
size_t clloss__plan_slice(const clloss__plan *plan, size_t classes) {
  return clloss__ceil_div(clloss__ceil_div(classes, plan->slices), 4 * LANES) * 4 * LANES;
}

clloss__plan clloss__plan_elements(const clloss__planner *planner, size_t rows, size_t classes,
                                   size_t element_bytes) {
  enum { LEAST_BYTES = 4096 }; /* below that launching a work-group shows */
  if (!rows) return nothing(planner);
  const clloss__device *device = &planner->facts;
  const clloss__overrides *o = &planner->overrides;
  const bool lane = clloss__plan_team(planner) == &lane_team;
  const size_t row_bytes = classes * element_bytes, per_unit = clloss__ceil_div(4 * device->units, rows);
  size_t slices = clloss__max(row_bytes / tuned(planner, T(lane_block_bytes)),
                              clloss__min(per_unit, row_bytes / LEAST_BYTES));
  slices = clloss__max(1, clloss__min(slices, BLOCKS_MOST / rows));
  if (o->rows_per_group) slices = 1;
  if (o->slices) slices = o->slices;
  clloss__plan plan = {
      .family = lane ? CLLOSS_FAMILY_LANE : CLLOSS_FAMILY_GROUP,
      .team = clloss__plan_team(planner),
      .local_size = lane ? 1 : group_items(planner, T(group_items)),
      .sum_items = lane ? 1 : group_items(planner, T(group_items)),
      .slices = slices,
      .past_cache_bytes = tuned(planner, T(past_cache_bytes)),
      .past_cache_row_bytes = 2048,
      .rows_per_group = slices > 1          ? 1
                        : o->rows_per_group ? o->rows_per_group
                                            : block_rows(planner, rows, row_bytes, 1),
  };
  plan.slices = clloss__ceil_div(classes, clloss__plan_slice(&plan, classes));
  plan.blocks = clloss__ceil_div(rows, plan.rows_per_group);
  return plan;
}

const char *clloss__plan_variant(const clloss__plan *plan) {
  static const char *const forms[] = {NULL, "group_held", "group_long", "group_tile"};
  if (plan->form) return forms[plan->form];
  return plan->along ? plan->team->along : plan->rows_in_lanes ? plan->team->rows : plan->team->name;
}

clloss__guess clloss__guess_of(const clloss__device *facts, int i) {
  const uint32_t dtypes[] = {CLLOSS_F32, CLLOSS_F16, facts->f64 ? CLLOSS_F64 : CLLOSS_F32};
  return (clloss__guess){dtypes[i / 16], (i & 2) != 0, (i & 1) != 0, (i & 4) != 0, (i & 8) != 0};
}

clloss_status clloss__plan_describe(clloss__message *message, const clloss__plan *plan, const char *how,
                                    clloss_plan *out) {
  clloss_plan now;
  const clloss_status status = clloss__read_struct(message, "plan", &now, sizeof now, out);
  if (status != CLLOSS_SUCCESS) return status;
  now.family = plan->family;
  now.local_size = (uint32_t)plan->local_size;
  now.rows_per_group = plan->rows_per_group;
  now.slices = plan->slices;
  now.groups = plan->blocks * plan->slices;
  const bool split = plan->family == CLLOSS_FAMILY_SPLIT;
  const bool folds = in_packets(plan->form);
  snprintf(now.variant, sizeof now.variant, "%s%s", split ? plan->team->name : clloss__plan_variant(plan),
           split ? "_split" : "");
  snprintf(now.why, sizeof now.why, "%s%s%s", plan->why ? plan->why : "", folds ? "; folds by " : "",
           folds ? how : "");
  memcpy(out, &now, now.struct_size < sizeof now ? now.struct_size : sizeof now);
  return CLLOSS_SUCCESS;
}
