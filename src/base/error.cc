#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace unclosed {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kGone:
      return "gone";
    case ErrorKind::kDenied:
      return "denied";
    case ErrorKind::kCorrupt:
      return "corrupt";
    case ErrorKind::kUnsupported:
      return "unsupported";
    case ErrorKind::kLimit:
      return "limit";
    case ErrorKind::kUsage:
      return "usage";
    case ErrorKind::kSystem:
      return "system";
  }
  return "system";
}

namespace {

ErrorKind kind_of(int errno_value) {
  switch (errno_value) {
    case EPERM:
    case EACCES:
      return ErrorKind::kDenied;
    case ENOENT:
    case ESRCH:
    case EBADF:
      return ErrorKind::kGone;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
    case E2BIG:
      return ErrorKind::kLimit;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorKind::kUnsupported;
    default:
      return ErrorKind::kSystem;
  }
}

}  // namespace

Error system_error(int errno_value, std::string_view context) {
  std::string text(context);
  text += ": ";
  text += std::generic_category().message(errno_value);
  return {kind_of(errno_value), std::move(text), {}};
}

}  // namespace unclosed
