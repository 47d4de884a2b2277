// TypeBook: all types of a Go program that the linker lists, and what they lead to: by name, by
// what lies at a place in one, and which types can hold a pointer of a given type at a given place.
// Types made at run time (reflect) are not known. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collect/golang/type_reader.h"

namespace unclosed {

// A place in a value, as a program would name it.
struct TypePlace {
  std::string path;   // "conn.fd"; "" when it is the value itself
  uint64_t type = 0;  // of the word that is there
};

class TypeBook {
 public:
  explicit TypeBook(GoProcess& process) : x_process(&process), x_reader(process) {}

  // null: no type is there.
  const TypeInfo* at(uint64_t address) { return x_reader.at(address); }
  // The type that an interface's first word tells of, be it an itab or the type itself; null: it is
  // neither.
  const TypeInfo* of_interface(uint64_t word);
  // The type of the object that an interface value of this type refers to; null: not known.
  const TypeInfo* behind(const TypeInfo& type);
  // Types of this name; there may be several, of which the first are told.
  std::vector<const TypeInfo*> named(std::string_view name);
  // Structs of this name, with any type parameters.
  std::vector<const TypeInfo*> instances(std::string_view name);
  // The field of `type` that holds the word at `offset`; nullopt: none does.
  std::optional<TypePlace> place_at(const TypeInfo& type, uint64_t offset);

  // Structs that fill an object of `size` bytes, of which the first `header` are not theirs, and
  // that have at `offset` a pointer to `word`, or an interface value of that type; of many the
  // first.
  std::vector<const TypeInfo*> holding(uint64_t size, uint64_t header, uint64_t offset,
                                       const TypeInfo& word);
  // The least size of a value for which the runtime takes an object of `size` bytes.
  static uint64_t least_value(uint64_t size);
  // The type of interface that an itab is for; null: it is none.
  const TypeInfo* interface_of(uint64_t itab);

 private:
  void find_all();
  void index();

  GoProcess* x_process;
  TypeReader x_reader;
  std::unordered_multimap<std::string_view, const TypeInfo*> x_names;
  std::unordered_multimap<uint64_t, const TypeInfo*> x_by_word;  // structs, by offset and word type
  bool x_all = false;
};

}  // namespace unclosed
