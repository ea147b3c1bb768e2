# Tests of examples/: built as a stranger would, against an installed clLoss; then the README's example and the demo.
set(examples_work "${CMAKE_CURRENT_BINARY_DIR}/examples")
set(examples_bin "${examples_work}/build")

clloss_script(NAME examples_build TIMEOUT 300
  COMMAND "${CMAKE_COMMAND}" "-DGENERATOR=${CMAKE_GENERATOR}" "-DCC=${CMAKE_C_COMPILER}"
  "-DCXX=${CMAKE_CXX_COMPILER}" "-DC_FLAGS=${CMAKE_C_FLAGS}" "-DBUILD_TYPE=${CMAKE_BUILD_TYPE}" "-DSOURCE=${clLoss_SOURCE_DIR}/examples"
  "-DBUILD=${clLoss_BINARY_DIR}" "-DWORK=${examples_work}" -P "${CMAKE_CURRENT_SOURCE_DIR}/examples_build.cmake")
clloss_script(NAME readme LABELS device COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/readme.sh" "${clLoss_SOURCE_DIR}/README.md"
  "${clLoss_SOURCE_DIR}/examples" "${examples_bin}")
clloss_script(NAME demo TIMEOUT 360 LABELS device COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/demo.sh"
  "${examples_bin}" "${clLoss_SOURCE_DIR}/examples/data/digits.csv.gz" "${examples_work}")
set_tests_properties(examples_build PROPERTIES FIXTURES_SETUP examples)
set_tests_properties(readme demo PROPERTIES FIXTURES_REQUIRED examples)
