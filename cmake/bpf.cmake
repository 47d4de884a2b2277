# bpf_skeleton(TARGET file.bpf.c [LIGHT]): compiles the kernel side with clang, makes its libbpf skeleton file.skel.h, and
# adds both to TARGET. LIGHT: also file.lskel.h, which a program loads in the kernel, without libbpf. Needs clang and bpftool,
# no BTF of the building machine: kernel types are our own minimal ones.
find_program(UNCLOSED_CLANG NAMES clang clang-16 clang-14 REQUIRED)
find_program(UNCLOSED_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
find_program(UNCLOSED_LLVM_STRIP NAMES llvm-strip llvm-strip-16 llvm-strip-14 REQUIRED)

function(bpf_skeleton target source)
  cmake_parse_arguments(SKELETON "LIGHT" "" "" ${ARGN})
  get_filename_component(name ${source} NAME_WE)
  get_filename_component(directory ${source} DIRECTORY)
  set(out ${CMAKE_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${out})
  file(GLOB headers CONFIGURE_DEPENDS ${directory}/*.h)
  set(made ${out}/${name}.skel.h)
  set(light)
  if(SKELETON_LIGHT)
    list(APPEND made ${out}/${name}.lskel.h)
    set(light COMMAND ${UNCLOSED_BPFTOOL} gen skeleton -L ${out}/${name}.bpf.o name ${name} > ${out}/${name}.lskel.h.tmp
              COMMAND ${CMAKE_COMMAND} -E rename ${out}/${name}.lskel.h.tmp ${out}/${name}.lskel.h)
  endif()
  add_custom_command(
    OUTPUT ${made}
    COMMAND ${UNCLOSED_CLANG} -g -O2 -Wall -Werror -target bpf -mcpu=v3 -D__TARGET_ARCH_x86
            -I${CMAKE_SOURCE_DIR}/src -c ${CMAKE_SOURCE_DIR}/${source} -o ${out}/${name}.bpf.o
    COMMAND ${UNCLOSED_LLVM_STRIP} -g ${out}/${name}.bpf.o
    COMMAND ${UNCLOSED_BPFTOOL} gen skeleton ${out}/${name}.bpf.o name ${name} > ${out}/${name}.skel.h.tmp
    COMMAND ${CMAKE_COMMAND} -E rename ${out}/${name}.skel.h.tmp ${out}/${name}.skel.h
    ${light}
    DEPENDS ${CMAKE_SOURCE_DIR}/${source} ${headers}
    COMMENT "kernel side ${name}" VERBATIM)
  add_custom_target(${name}_skeleton DEPENDS ${made})
  add_dependencies(${target} ${name}_skeleton)
  target_include_directories(${target} SYSTEM PRIVATE ${out})
endfunction()
