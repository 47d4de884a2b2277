// TypedWalk: from a value of a Go process to what a path of fields leads to, by Go's own
// descriptions of types: every field is looked up by its name in the type that is there, every
// interface value by the type that it holds. What does not fit is no answer, never a guess. It
// cannot tell what changes meanwhile: whoever needs one moment reads twice. All walks together take
// a limited number of steps; beyond it there is no answer. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "collect/golang/type_book.h"

namespace unclosed {

// A value of a known type.
struct TypedPlace {
  const TypeInfo* type = nullptr;
  uint64_t address = 0;
  bool operator==(const TypedPlace&) const = default;
};

class TypedWalk {
 public:
  // Both must outlive it.
  TypedWalk(GoProcess& process, TypeBook& book) : x_process(process), x_book(book) {}

  // All that a path leads to: names of fields with dots between; pointers and interfaces on the way
  // are followed, and where one is nil nothing is behind it. "list[]": each element of a slice,
  // each value of a map. "front~next": what `front` points to, what the `next` of that points to,
  // and so on. nullopt: the types have no such path, memory could not be read, or it has no end.
  std::optional<std::vector<TypedPlace>> all(const TypedPlace& from, std::string_view path);
  // The one; nullopt also where there is none, or several.
  std::optional<TypedPlace> one(const TypedPlace& from, std::string_view path);
  // What a pointer or an interface value refers to, as far as that goes; nullopt: nil, or as above.
  std::optional<TypedPlace> behind(TypedPlace place);
  // Of a number, a pointer or a bool its value, of a map or slice its length, of an interface 0
  // where it is nil.
  std::optional<uint64_t> number(TypedPlace place);

  // By types alone: where in a value of this type the word lies that a path goes by first to
  // another object.
  std::optional<uint64_t> first_word(const TypeInfo& type, std::string_view path);
  // What a path leads to: the type; null: not known without memory.
  const TypeInfo* type_behind(const TypeInfo& type, std::string_view path);

 private:
  std::optional<TypedPlace> only_part(const TypedPlace& place);
  bool step(const TypedPlace& from, std::string_view step, std::vector<TypedPlace>& found);
  bool elements(const TypedPlace& from, std::vector<TypedPlace>& found);
  bool chain(TypedPlace place, std::string_view next, std::vector<TypedPlace>& found);
  std::optional<TypedPlace> field(const TypedPlace& place, std::string_view name);
  std::optional<uint64_t> word(uint64_t address);

  GoProcess& x_process;
  TypeBook& x_book;
  uint64_t x_left = uint64_t{1} << 23;  // steps
};

}  // namespace unclosed
