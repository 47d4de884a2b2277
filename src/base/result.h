// Result<T>: a value or an Error, never both, never silently dropped.
// Result<std::optional<T>> is for questions with three answers: failed, looked and absent, found.
#pragma once

#include <tl/expected.hpp>

#include "base/error.h"

namespace unclosed {

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  using Base = tl::expected<T, Error>;

 public:
  using Base::Base;
  // An error is a result by itself: `return system_error(errno, "open")`.
  Result(Error error)
      : Base(tl::unexpect, std::move(error)) {}  // NOLINT(google-explicit-constructor)
};

using Status = Result<void>;

}  // namespace unclosed
