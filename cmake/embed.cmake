# Turns OpenCL C sources into one C file, at build time: cmake -DOUT=… -DFILES=… … -P embed.cmake
#
# Each source goes in whole. A line `#include "x.clh"` is replaced by the header's text between #line directives, so
# that a driver's build log names the file and line that a person would open:
#
#   #line 1 "kernels/team/span.clh"    the header
#   …
#   #line 8 "kernels/xent/xent.cl"     the line after the #include
#
# As in C, every #include brings the text in, and headers guard themselves: an #include may stand inside #if. One with
# angle brackets stays as it is, for headers that host code reads too.
#
# The text is handled as spaced hexadecimal ("23 69 6e …") from file(READ) to file(WRITE). CMake's strings lose
# semicolons, backslashes and unbalanced brackets as soon as they meet a list or a macro; hex pairs hold none of
# them, and the space behind each pair keeps every match on a byte boundary.
#
#   OUT     the C file to write             ROOT    directory that the names in #line are relative to
#   FILES   the sources, ';' between them   HEADER  header that the C file includes
#   SYMBOL  the name that it defines
#   TYPE    set: SYMBOL is a table, `const TYPE SYMBOL[]` of {name, text, size without the NUL}, and COUNT is
#           the name of its length, a size_t. Unset: one source, `const char SYMBOL[]`.
cmake_minimum_required(VERSION 3.22)

foreach(name OUT FILES ROOT HEADER SYMBOL)
  if(NOT ${name})
    message(FATAL_ERROR "embed.cmake: ${name} is not set")
  endif()
endforeach()

# "#line N "name"", as hex, appended to the caller's `out`.
macro(append_line_directive number name)
  string(HEX "#line ${number} \"${name}\"\n" directive)
  string(REGEX REPLACE "(..)" "\\1 " directive "${directive}")
  string(APPEND out "${directive}")
endmacro()

# "78 2e 63 …" to "x.c…". For file names: CMake's own limits on them hold.
function(hex_to_name hex result)
  set(name "")
  string(REGEX MATCHALL "[0-9a-f][0-9a-f]" pairs "${hex}")
  foreach(pair IN LISTS pairs)
    math(EXPR code "0x${pair}")
    string(ASCII ${code} character)
    string(APPEND name "${character}")
  endforeach()
  set(${result} "${name}" PARENT_SCOPE)
endfunction()

# The file's text with its headers in it, as hex. `chain` is the list of files that we are inside of.
function(read_source file chain result)
  cmake_path(ABSOLUTE_PATH file NORMALIZE)
  file(RELATIVE_PATH name "${ROOT}" "${file}")
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "no such file: ${name} (${chain})")
  elseif(file IN_LIST chain)
    message(FATAL_ERROR "${name} includes itself (${chain})")
  endif()
  list(APPEND chain "${file}")
  cmake_path(GET file PARENT_PATH folder)

  # In `rest` a newline character stands in front of every line, for the expressions to anchor at.
  file(READ "${file}" rest HEX)
  string(REGEX REPLACE "(..)" "\\1 " rest "${rest}")
  string(REGEX REPLACE "([^a] |[^0]a )$" "\\10a " rest "${rest}")
  string(REPLACE "0a " "0a \n" rest "\n${rest}")

  set(line 1)
  set(out "")
  append_line_directive(1 "${name}")
  while(rest MATCHES "\n(20 |09 )*23 (20 |09 )*69 6e 63 6c 75 64 65 (20 |09 )*22 ([^\n]*)\n")
    set(found "${CMAKE_MATCH_0}")
    set(argument "${CMAKE_MATCH_4}")
    string(FIND "${rest}" "${found}" at)
    string(LENGTH "${found}" length)
    math(EXPR after "${at} + ${length} - 1")
    string(SUBSTRING "${rest}" 0 ${at} before)
    string(SUBSTRING "${rest}" ${after} -1 rest)
    string(REGEX MATCHALL "\n" newlines "${before}")
    list(LENGTH newlines newlines)
    math(EXPR line "${line} + ${newlines}")

    if(NOT argument MATCHES "^(([013-9a-f]. |2[013-9a-f] )+)22 (20 |09 |0d )*0a $")
      message(FATAL_ERROR "${name}:${line}: #include \"file\" with something behind it")
    endif()
    hex_to_name("${CMAKE_MATCH_1}" header)
    read_source("${folder}/${header}" "${chain}" text)
    math(EXPR line "${line} + 1")
    string(APPEND out "${before}${text}")
    append_line_directive(${line} "${name}")
  endwhile()
  string(APPEND out "${rest}")
  string(REPLACE "\n" "" out "${out}")
  set(${result} "${out}" PARENT_SCOPE)
endfunction()

# '\x2f','\x2a',… with the C file's lines ending where the source's do.
function(append_array declaration hex)
  string(REGEX REPLACE "(..) " "'\\\\x\\1'," bytes "${hex}")
  string(REPLACE "'\\x0a'," "'\\x0a',\n" bytes "${bytes}")
  file(APPEND "${OUT}" "${declaration}[] = {\n${bytes}'\\0'};\n")
endfunction()

file(WRITE "${OUT}" "/* Made by cmake/embed.cmake from OpenCL C sources: edit those. */\n#include \"${HEADER}\"\n\n")
if(TYPE)
  set(rows "")
  set(index 0)
  foreach(file IN LISTS FILES)
    cmake_path(GET file FILENAME name)
    read_source("${file}" "" hex)
    append_array("static const char source_${index}" "${hex}")
    string(APPEND rows "  {\"${name}\", source_${index}, sizeof source_${index} - 1},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  file(APPEND "${OUT}" "\nconst ${TYPE} ${SYMBOL}[] = {\n${rows}};\nconst size_t ${COUNT} = ${index};\n")
else()
  list(LENGTH FILES length)
  if(NOT length EQUAL 1)
    message(FATAL_ERROR "embed.cmake: ${length} sources for the one text ${SYMBOL}; give TYPE and COUNT for a table")
  endif()
  read_source("${FILES}" "" hex)
  append_array("const char ${SYMBOL}" "${hex}")
endif()
