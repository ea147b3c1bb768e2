# clloss_embed(OUT file.c HEADER header.h SYMBOL name [TYPE type COUNT name] FILES a.cl … [HEADERS a.clh …])
#
# Adds the rule that makes OUT from OpenCL C sources; what it defines stands in embed.cmake. HEADERS are what the
# sources include. Touching any of them, or the script, makes OUT again. A relative OUT lies in the build directory;
# put it among the sources of a target of the same CMakeLists.txt.
set(clloss_embed_script "${CMAKE_CURRENT_LIST_DIR}/embed.cmake")

function(clloss_embed)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "OUT;HEADER;SYMBOL;TYPE;COUNT" "FILES;HEADERS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "clloss_embed: what is ${arg_UNPARSED_ARGUMENTS}?")
  endif()
  cmake_path(ABSOLUTE_PATH arg_OUT BASE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
  set(sources "")
  foreach(file IN LISTS arg_FILES)
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    list(APPEND sources "${file}")
  endforeach()
  add_custom_command(
    OUTPUT "${arg_OUT}"
    COMMAND "${CMAKE_COMMAND}" "-DOUT=${arg_OUT}" "-DFILES=${sources}" "-DROOT=${clLoss_SOURCE_DIR}"
            "-DHEADER=${arg_HEADER}" "-DSYMBOL=${arg_SYMBOL}" "-DTYPE=${arg_TYPE}" "-DCOUNT=${arg_COUNT}"
            -P "${clloss_embed_script}"
    DEPENDS ${arg_FILES} ${arg_HEADERS} "${clloss_embed_script}"
    COMMENT "Embedding OpenCL sources in ${arg_OUT}"
    VERBATIM)
endfunction()
