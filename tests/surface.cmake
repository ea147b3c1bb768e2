# Tests of what users and packagers see (headers, symbols, packages) and of the rules that the sources keep.
enable_language(CXX)
find_program(CLLOSS_NM NAMES "${CMAKE_NM}" nm REQUIRED)
find_program(CLLOSS_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
find_program(CLLOSS_PKG_CONFIG NAMES pkg-config pkgconf)
mark_as_advanced(CLLOSS_NM CLLOSS_CLANG CLLOSS_PKG_CONFIG)
set(source "${clLoss_SOURCE_DIR}")
set(here "${CMAKE_CURRENT_SOURCE_DIR}")

clloss_script(NAME headers COMMAND "${CMAKE_COMMAND}"
  "-DCC=${CMAKE_C_COMPILER}" "-DCXX=${CMAKE_CXX_COMPILER}" "-DINCLUDE=${source}/include"
  "-DOPENCL_INCLUDE=${OpenCL_INCLUDE_DIRS}" "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/headers" -P "${here}/headers.cmake")

clloss_script(NAME layering COMMAND sh "${here}/layering.sh" "${source}")
clloss_script(NAME circles COMMAND sh "${here}/circles.sh" "${source}")
clloss_script(NAME sizes COMMAND sh "${here}/sizes.sh" "${source}")
clloss_script(NAME globals COMMAND sh "${here}/globals.sh" "${source}" "${clLoss_BINARY_DIR}/sources.c"
  "${CMAKE_C_COMPILER}" -I "${OpenCL_INCLUDE_DIRS}")
clloss_script(NAME exports COMMAND sh "${here}/exports.sh" "${source}" "${CLLOSS_NM}"
  "$<TARGET_FILE:clloss>" "$<TARGET_FILE:clloss_static>" "$<TARGET_FILE:clloss_ref>")

clloss_script(NAME embed COMMAND "${CMAKE_COMMAND}" "-DCC=${CMAKE_C_COMPILER}" "-DSCRIPT=${clloss_embed_script}"
  "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/embed" -P "${here}/embed.cmake")

clloss_script(NAME embed_awk COMMAND sh "${here}/embed_awk.sh" "${source}" "${clLoss_BINARY_DIR}/sources.c"
  "${CMAKE_C_COMPILER}" -I "${OpenCL_INCLUDE_DIRS}")

# A list of its own that bench/gpu.sh reads wrongly, or a file that it doesn't know of, shows here and not on the GPU.
clloss_script(NAME gpu_build TIMEOUT 300 COMMAND sh "${source}/bench/gpu.sh" --build-only "${CMAKE_CURRENT_BINARY_DIR}/gpu"
  ENVIRONMENT "CC=${CMAKE_C_COMPILER}" "CFLAGS=-O0 -I${OpenCL_INCLUDE_DIRS}")

# clang is the one compiler that reads OpenCL C; without it there is nothing to register. `./run test` installs it.
if(CLLOSS_CLANG)
  clloss_script(NAME kernel_syntax COMMAND sh "${here}/kernel_syntax.sh" "${source}" "${CLLOSS_CLANG}")
else()
  message(STATUS "clang not found: the test kernel_syntax is left out")
endif()

# The consumer is a project of its own: against an installed clLoss, and with clLoss as its subdirectory.
set(consumer "-DGENERATOR=${CMAKE_GENERATOR}" "-DCC=${CMAKE_C_COMPILER}" "-DC_FLAGS=${CMAKE_C_FLAGS}"
  "-DSOURCE=${source}" "-DBUILD=${clLoss_BINARY_DIR}" "-DPKG_CONFIG=${CLLOSS_PKG_CONFIG}"
  "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/consumer")
foreach(mode package pkg_config subproject)
  clloss_script(NAME consumer_${mode} TIMEOUT 300
    COMMAND "${CMAKE_COMMAND}" ${consumer} "-DMODE=${mode}" -P "${here}/consumer.cmake")
endforeach()
