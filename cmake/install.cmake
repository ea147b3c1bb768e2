# Install rules: headers, libraries, the CMake package clLoss and the pkg-config files clloss and clloss-ref.
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/clLoss")

install(DIRECTORY include/clloss DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
# Two exports, so that a program that wants the reference alone doesn't need OpenCL.
install(TARGETS clloss clloss_static EXPORT clLossTargets)
install(TARGETS clloss_ref EXPORT clLossRefTargets)
install(EXPORT clLossTargets NAMESPACE clloss:: DESTINATION "${package_dir}")
install(EXPORT clLossRefTargets NAMESPACE clloss:: DESTINATION "${package_dir}")

configure_package_config_file(cmake/clLossConfig.cmake.in clLossConfig.cmake INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(clLossConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/clLossConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/clLossConfigVersion.cmake" DESTINATION "${package_dir}")

# ${pcfiledir} keeps the files true when the prefix moves; absolute install directories can't move.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
  set(pc_libdir "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(pc_includedir "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(pc_prefix "\${pcfiledir}/${up}")
  set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(pc_libm "")
if(CLLOSS_LIBM)
  set(pc_libm "-lm")
endif()
foreach(name clloss clloss-ref)
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/${name}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()
