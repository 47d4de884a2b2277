// Go's own descriptions of types, as they lie in a process's memory, stripped or not: name, size,
// fields. They lead from an interface value to what is behind it, field by field, without guessing
// where an object ends. It cannot know the type of what no described type refers to. One thread at
// a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "collect/golang/go_process.h"

namespace unclosed {

// Those kinds that lead on; their numbers are Go's own.
enum class GoKind : uint8_t { kArray = 17, kInterface = 20, kPointer = 22, kStruct = 25 };

struct GoTypeField {
  uint64_t type = 0, offset = 0;
};

struct GoType {
  uint64_t address = 0, size = 0;
  uint8_t kind = 0;                 // as Go numbers them
  std::string name;                 // "net.TCPConn", "*pq.conn"
  uint64_t element = 0;             // of a pointer
  std::vector<GoTypeField> fields;  // of a structure
  bool methods = false;             // an interface that has some: its values begin with an itab
  bool is(GoKind one) const { return kind == static_cast<uint8_t>(one); }
};

class GoTypes {
 public:
  explicit GoTypes(GoProcess& process) : x_process(process) {}

  // null: no description is there.
  const GoType* at(uint64_t address);
  // What an interface with methods holds, by its first word; null: no such table is there.
  const GoType* behind_table(uint64_t itab);

  // The descriptor's number of a connection: that of the nearest internal/poll.FD behind an
  // interface value at `address`; nullopt: none within reach.
  std::optional<int> descriptor_behind(uint64_t address);

 private:
  struct Place {
    const GoType* type = nullptr;
    uint64_t address = 0;
    unsigned depth = 0;
  };
  std::optional<GoType> read(uint64_t address);
  std::string name_at(uint64_t address);
  std::optional<Place> inside(const GoType& type, uint64_t address, unsigned depth);
  void enqueue(const Place& place, std::vector<Place>& queue);

  GoProcess& x_process;
  std::unordered_map<uint64_t, std::optional<GoType>> x_types, x_tables;
};

}  // namespace unclosed
