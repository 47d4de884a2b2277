// Reading bytes that somebody else wrote: every access is checked against the end, by subtraction.
// Views only: the bytes must outlive them. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace unclosed {

using Bytes = std::span<const std::byte>;

// Bytes of [offset, offset+count); nullopt when `bytes` does not hold them all.
inline std::optional<Bytes> slice(Bytes bytes, uint64_t offset, uint64_t count) {
  if (offset > bytes.size() || count > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, count);
}

// Bytes from `offset` to the end; nullopt when `offset` lies behind it.
inline std::optional<Bytes> tail(Bytes bytes, uint64_t offset) {
  if (offset > bytes.size()) return std::nullopt;
  return bytes.subspan(offset);
}

// The little-endian value at `offset`; nullopt past the end.
template <class T>
std::optional<T> load(Bytes bytes, uint64_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto part = slice(bytes, offset, sizeof(T));
  if (!part) return std::nullopt;
  T value;
  std::memcpy(&value, part->data(), sizeof(T));
  return value;
}

// The zero-terminated text at `offset`, without the zero; nullopt when no zero follows within `cap`
// bytes.
inline std::optional<std::string_view> text_at(Bytes bytes, uint64_t offset, size_t cap = 65536) {
  const auto rest = tail(bytes, offset);
  if (!rest) return std::nullopt;
  const size_t limit = rest->size() < cap ? rest->size() : cap;
  const auto* start = reinterpret_cast<const char*>(rest->data());
  const auto* end = static_cast<const char*>(std::memchr(start, 0, limit));
  if (end == nullptr) return std::nullopt;
  return std::string_view(start, static_cast<size_t>(end - start));
}

}  // namespace unclosed
