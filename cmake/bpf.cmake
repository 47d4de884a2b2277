# bpf_skeleton(TARGET file.bpf.c [LIGHT]): compiles the kernel side with clang, makes its libbpf skeleton file.skel.h, and
# adds both to TARGET. LIGHT: file.lskel.h, which needs no libbpf to load: a program does it in the kernel. Needs clang and
# bpftool, no BTF of the building machine: kernel types are our own minimal ones.
find_program(UNCLOSED_CLANG NAMES clang clang-16 clang-14 REQUIRED)
find_program(UNCLOSED_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
find_program(UNCLOSED_LLVM_STRIP NAMES llvm-strip llvm-strip-16 llvm-strip-14 REQUIRED)

function(bpf_skeleton target source)
  cmake_parse_arguments(SKELETON "LIGHT" "" "" ${ARGN})
  if(SKELETON_LIGHT)
    set(made lskel.h)
    set(kind -L)
  else()
    set(made skel.h)
    set(kind)
  endif()
  get_filename_component(name ${source} NAME_WE)
  get_filename_component(directory ${source} DIRECTORY)
  set(out ${CMAKE_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${out})
  file(GLOB headers CONFIGURE_DEPENDS ${directory}/*.h)
  add_custom_command(
    OUTPUT ${out}/${name}.${made}
    COMMAND ${UNCLOSED_CLANG} -g -O2 -Wall -Werror -target bpf -mcpu=v3 -D__TARGET_ARCH_x86
            -I${CMAKE_SOURCE_DIR}/src -c ${CMAKE_SOURCE_DIR}/${source} -o ${out}/${name}.bpf.o
    COMMAND ${UNCLOSED_LLVM_STRIP} -g ${out}/${name}.bpf.o
    COMMAND ${UNCLOSED_BPFTOOL} gen skeleton ${kind} ${out}/${name}.bpf.o name ${name} > ${out}/${name}.${made}.tmp
    COMMAND ${CMAKE_COMMAND} -E rename ${out}/${name}.${made}.tmp ${out}/${name}.${made}
    DEPENDS ${CMAKE_SOURCE_DIR}/${source} ${headers}
    COMMENT "kernel side ${name}" VERBATIM)
  add_custom_target(${name}_skeleton DEPENDS ${out}/${name}.${made})
  add_dependencies(${target} ${name}_skeleton)
  target_include_directories(${target} SYSTEM PRIVATE ${out})
endfunction()
