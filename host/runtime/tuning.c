/* Reads a tuning text. */
#include "tuning.h"

#include <stdbool.h>
#include <string.h>

static const struct {
  const char *name;
  size_t value, least, most;
} known[] = {
#define ROW(name, value, least, most) {#name, value, least, most},
    CLLOSS__TUNING_LIST(ROW)
#undef ROW
};

static const char blanks[] = " \t\r\v\f";

/* A decimal number of `length` characters; false where it is none, or doesn't fit. Not strtoull(), which takes signs and
 * obeys a locale. */
static bool read_number(const char *text, size_t length, size_t *value) {
  *value = 0;
  for (size_t i = 0; i < length; ++i) {
    const size_t digit = (size_t)(text[i] - '0');
    if (digit > 9 || *value > (SIZE_MAX - digit) / 10) return false;
    *value = 10 * *value + digit;
  }
  return length != 0;
}

/* One line, its comment and line end cut off: empty, or a name and a number. */
static clloss_status read_line(clloss__message *message, const char *line, size_t length, unsigned number,
                               clloss__tuning *tuning) {
  const char *const end = line + length;
  const char *name = line + strspn(line, blanks);
  if (name >= end) return CLLOSS_SUCCESS;
  size_t name_length = strcspn(name, " \t\r\v\f\n#");
  const char *value = name + name_length + strspn(name + name_length, blanks);
  size_t value_length = value < end ? strcspn(value, " \t\r\v\f\n#") : 0;
  const char *rest = value + value_length + strspn(value + value_length, blanks);
  size_t which = 0, read;
  while (which < CLLOSS__TUNINGS &&
         (strlen(known[which].name) != name_length || memcmp(known[which].name, name, name_length) != 0))
    ++which;
  if (which == CLLOSS__TUNINGS) {
    return clloss__say(message, CLLOSS_PLAN, "options.tuning, line %u: there is no value called %.*s", number,
                       (int)(name_length > 60 ? 60 : name_length), name);
  }
  if (!read_number(value, value_length, &read) || rest < end || read < known[which].least ||
      read > known[which].most) {
    return clloss__say(message, CLLOSS_PLAN,
                       "options.tuning, line %u: %s is %.*s: it takes one whole number from %zu to %zu",
                       number, known[which].name, (int)(end - value > 60 ? 60 : end - value),
                       value < end ? value : "", known[which].least, known[which].most);
  }
  tuning->of[which] = read;
  return CLLOSS_SUCCESS;
}

clloss_status clloss__tuning_read(clloss__message *message, const char *text, clloss__tuning *tuning) {
  for (size_t i = 0; i < CLLOSS__TUNINGS; ++i) tuning->of[i] = known[i].value;
  clloss_status status = CLLOSS_SUCCESS;
  for (unsigned line = 1; text && *text && status == CLLOSS_SUCCESS; ++line) {
    status = read_line(message, text, strcspn(text, "\n#"), line, tuning);
    text += strcspn(text, "\n");
    text += *text == '\n';
  }
  return status;
}
