# Sources with everything that CMake's strings are known to lose come out of embed.cmake byte for byte, and #line
# names the right lines.
cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}/kernels")

function(write name text)
  file(WRITE "${WORK}/kernels/${name}" "${text}")
endfunction()

string(ASCII 13 cr)
set(nasty "a;b;;c [x] ]] [[ \\ \\n \\\\ \"q\" 'c' \${V} @V@ $<1:x> # ( ) é λ \t;\n")
string(CONCAT text [[
/* first line */
  #  include "sub.clh"
int after_sub;
#ifdef TWICE
#include "sub.clh"
#else
#include <angle.h>
#endif
/* #include "nowhere.clh" */
]] "${nasty}" "last line without a newline;")
write(a.cl "${text}")
write(sub.clh "${nasty}#include \"leaf.clh\"${cr}\nint end_of_sub;")
write(leaf.clh "leaf;")
write(empty.cl "")

string(CONCAT expected [[
#line 1 "kernels/a.cl"
/* first line */
#line 1 "kernels/sub.clh"
]] "${nasty}" [[
#line 1 "kernels/leaf.clh"
leaf;
#line 3 "kernels/sub.clh"
int end_of_sub;
#line 3 "kernels/a.cl"
int after_sub;
#ifdef TWICE
#line 1 "kernels/sub.clh"
]] "${nasty}" [[
#line 1 "kernels/leaf.clh"
leaf;
#line 3 "kernels/sub.clh"
int end_of_sub;
#line 6 "kernels/a.cl"
#else
#include <angle.h>
#endif
/* #include "nowhere.clh" */
]] "${nasty}" [[
last line without a newline;
a.cl
#line 1 "kernels/empty.cl"
empty.cl
]])
file(WRITE "${WORK}/expected" "${expected}")

file(WRITE "${WORK}/table.h" "#include <stddef.h>\n"
  "typedef struct { const char *name, *text; size_t size; } entry;\n"
  "extern const entry table[];\nextern const size_t table_length;\nextern const char one[];\n")
file(WRITE "${WORK}/main.c" [[
#include "table.h"
#include <stdio.h>
#include <string.h>
int main(void) {
  for (size_t i = 0; i < table_length; i++) {
    fwrite(table[i].text, 1, table[i].size, stdout);
    puts(table[i].name);
    if (strlen(table[i].text) != table[i].size) return 1;
  }
  return strcmp(one, table[1].text) != 0;
}
]])

function(embed files result)
  list(TRANSFORM files PREPEND "${WORK}/kernels/")
  execute_process(COMMAND "${CMAKE_COMMAND}" "-DFILES=${files}" "-DROOT=${WORK}" -DHEADER=table.h ${ARGN} -P "${SCRIPT}"
                  RESULT_VARIABLE status ERROR_VARIABLE errors)
  set(${result} "${status} ${errors}" PARENT_SCOPE)
endfunction()

embed("a.cl;empty.cl" table "-DOUT=${WORK}/table.c" -DSYMBOL=table -DTYPE=entry -DCOUNT=table_length)
embed("empty.cl" one "-DOUT=${WORK}/one.c" -DSYMBOL=one)
if(NOT "${table}${one}" STREQUAL "0 0 ")
  message(FATAL_ERROR "embedding failed: ${table} ${one}")
endif()
execute_process(COMMAND "${CC}" -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror table.c one.c main.c -o show
                WORKING_DIRECTORY "${WORK}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${WORK}/show" OUTPUT_FILE "${WORK}/actual" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND diff "${WORK}/expected" "${WORK}/actual" COMMAND_ERROR_IS_FATAL ANY)

# What can't be embedded is refused by file and line.
function(refuse text pattern)
  write(bad.cl "${text}")
  embed("bad.cl" answer "-DOUT=${WORK}/bad.c" -DSYMBOL=bad)
  string(REGEX REPLACE "[ \n]+" " " answer "${answer}")
  if(NOT answer MATCHES "^1 .*${pattern}")
    message(FATAL_ERROR "embedding\n${text}should have said '${pattern}', but: ${answer}")
  endif()
endfunction()
refuse("int x;\n#include \"leaf.clh\" int y;\n" "kernels/bad.cl:2: ")
refuse("#include \"nowhere.clh\"\n" "no such file: kernels/nowhere.clh")
refuse("#include \"bad.cl\"\n" "kernels/bad.cl includes itself")
