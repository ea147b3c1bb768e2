/* The numbers that plans are made with, and the text that replaces the built-in ones. */
#ifndef CLLOSS_HOST_TUNING_H
#define CLLOSS_HOST_TUNING_H

#include <clloss/clloss.h>

#include "message.h"

/* Name, built-in value, least, most. The built-in ones were measured on CPUs through PoCL; those of the group team are a
 * first guess. `clloss tune` measures them on a device. */
/* clang-format off */
#define CLLOSS__TUNING_LIST(X)                                                                                \
  X(lane_rows_classes,   32,      0,    4096)     /* up to so many classes a lane work-group takes sixteen rows at once */ \
  X(lane_along_classes,  384,     0,    4096)     /* beyond a tile's sixteen and up to so many the same, where a loss walks each row */ \
  X(lane_block_bytes,    32768,   1024, 1 << 28)  /* of logits that a lane work-group owns: scheduling it shouldn't show */ \
  X(split_classes,       8192,    128,  SIZE_MAX) /* from so many classes a row may be split */               \
  X(split_slice_classes, 4096,    64,   SIZE_MAX) /* and each slice has at least so many */                   \
  X(split_rows_per_unit, 2,       0,    SIZE_MAX) /* where there are at most so many rows for each compute unit */ \
  X(past_cache_bytes,    4194304, 0,    SIZE_MAX) /* from here on an output that isn't in place is written around the cache */ \
  X(group_few_classes,   256,     0,    SIZE_MAX) /* up to so many classes a work-group that walks its row has … */ \
  X(group_few_items,     128,     2,    1024)     /* … so many items, as it has where it holds several rows, */ \
  X(group_items,         256,     2,    1024)     /* and else so many */                                      \
  X(group_tile_classes,  32,      0,    64)       /* up to so many classes an item has a row by itself */     \
  X(group_vectors,       8,       4,    8)        /* of four elements that an item may hold of a row */
/* clang-format on */

enum clloss__tuning_name {
#define CLLOSS__TUNING_ENUM(name, value, least, most) CLLOSS__##name,
  CLLOSS__TUNING_LIST(CLLOSS__TUNING_ENUM)
#undef CLLOSS__TUNING_ENUM
      CLLOSS__TUNINGS
};

typedef struct {
  size_t of[CLLOSS__TUNINGS];
} clloss__tuning;

/* The built-in values, with those of the text in their place: lines of a name and a number, # opens a comment; NULL is
 * empty. CLLOSS_PLAN, with a message that names line and word. */
clloss_status clloss__tuning_read(clloss__message *message, const char *text, clloss__tuning *tuning);

#endif
