/* The tuning text (host/runtime/tuning.c). A text that is refused leaves a message of one status; one that is accepted gives
 * values within their ranges, and those written out as a text give themselves. */
#include "target.h"

#include "runtime/tuning.h"

#include <string.h>

#define ROW(name, value, least, most) {#name, least, most},
static const struct {
  const char *name;
  size_t least, most;
} known[] = {CLLOSS__TUNING_LIST(ROW)};

static void check_values(const clloss__tuning *tuning) {
  enum { LINE = 60 };
  char text[CLLOSS__TUNINGS * LINE] = "";
  clloss__tuning again;
  size_t n = 0;
  for (size_t i = 0; i < CLLOSS__TUNINGS; i++) {
    EXPECT(tuning->of[i] >= known[i].least && tuning->of[i] <= known[i].most);
    n += (size_t)snprintf(text + n, sizeof text - n, "%s %zu\n", known[i].name, tuning->of[i]);
    EXPECT(n < sizeof text);
  }
  EXPECT(clloss__tuning_read(NULL, text, &again) == CLLOSS_SUCCESS);
  EXPECT(memcmp(&again, tuning, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  clloss__message message;
  clloss__tuning tuning;
  EXPECT(text != NULL);
  if (size) memcpy(text, data, size);
  text[size] = 0;
  message.text[0] = 0;
  const clloss_status status = clloss__tuning_read(&message, text, &tuning);
  EXPECT(status == CLLOSS_SUCCESS || status == CLLOSS_PLAN);
  EXPECT((message.text[0] != 0) == (status == CLLOSS_PLAN));
  if (status == CLLOSS_SUCCESS) check_values(&tuning);
  free(text);
  return 0;
}
