// ObjectTypes: what the objects of a graph are, as far as memory tells: by the type that a large
// object carries, by the interface values that refer to it, by the fields of a typed object, and by
// its shape, where only one type of the program has a pointer of that type at that place. What is
// ambiguous stays unknown. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "collect/golang/holder_graph.h"
#include "collect/golang/holder_paths.h"
#include "collect/golang/type_book.h"

namespace unclosed {

class ObjectTypes {
 public:
  struct Known {
    const TypeInfo* type = nullptr;  // null: not known
    uint64_t start = 0;              // of the first value in the object
    bool many = false;               // values of this type, one behind the other
  };

  // All must outlive it.
  ObjectTypes(GoProcess& process, const HeapMap& map, const HolderGraph& graph,
              const HolderPaths& paths, TypeBook& book);

  // What an object is, without looking at what it refers to.
  Known of(uint32_t object);
  // That an unknown object is the one of these types that fits its size.
  void assume(uint32_t object, std::span<const std::string_view> names);
  // Tells the holder of a link its type by that of the target, where that says it.
  void learn(uint32_t link);
  // The field of the holder in which the link lies; nullopt: not known.
  std::optional<TypePlace> field_of(uint32_t link);
  // The value among the variables, without a name of its own, that a typed object points to and
  // that holds `address`; nullopt: not known.
  std::optional<Known> static_at(uint64_t address) const;
  // Processors, threads and goroutines, as the runtime keeps them.
  bool of_scheduler(uint32_t object);
  bool is_processor(uint32_t object);
  // An object of the graph; nullopt: none is there.
  std::optional<uint32_t> object_at(uint64_t address) const;

 private:
  void set(uint32_t object, const TypeInfo* type, uint64_t start = 0);
  const TypeInfo* by_header(uint32_t object, uint64_t& start);
  const TypeInfo* by_interface(uint32_t object);
  void spread(uint32_t object);
  bool fits(uint32_t object, const TypeInfo& type);

  GoProcess& x_process;
  const HeapMap& x_map;
  const HolderGraph& x_graph;
  const HolderPaths& x_paths;
  TypeBook& x_book;
  std::unordered_map<uint32_t, Known> x_known;
  std::unordered_map<uint64_t, uint32_t> x_by_address;
  std::map<uint64_t, const TypeInfo*> x_statics;
};

}  // namespace unclosed
