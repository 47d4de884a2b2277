// Errors as values: what kind of failure, in which words, and under which catalogue id.
// A kind decides the exit code and whether a caller may go on; the text is for a person.
// Value types; any thread.
#pragma once

#include <string>
#include <string_view>

namespace unclosed {

enum class ErrorKind {
  kGone,         // the process, descriptor or file is not there any more
  kDenied,       // a privilege is missing
  kCorrupt,      // bytes of a file, a process or the network are damaged
  kUnsupported,  // this kernel, architecture or format cannot do it
  kLimit,        // a bound of ours or of the system was reached
  kUsage,        // the request itself is wrong
  kSystem,       // any other answer of the system
};

// `id` names an entry of the error catalogue (`unclosed explain UC-E004`), or is empty for an
// error that only another error quotes.
struct Error {
  ErrorKind kind = ErrorKind::kSystem;
  std::string context;
  std::string_view id = {};
};

std::string_view to_string(ErrorKind kind);

// The error for an errno value: kDenied for EPERM and EACCES, kGone for ENOENT, ESRCH and EBADF,
// kLimit for EMFILE, ENFILE, ENOMEM, ENOSPC and E2BIG, kUnsupported for ENOSYS, EOPNOTSUPP, kSystem
// else. The text is `context` followed by the system's words.
Error system_error(int errno_value, std::string_view context);

}  // namespace unclosed
