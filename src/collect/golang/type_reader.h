// TypeReader: the types of a Go program as its own runtime describes them, in stripped binaries
// too: names, sizes, fields, what a pointer points to, and what an interface value holds. Parts of
// the descriptions are read when they are asked for first, each type once; types made at run time
// (reflect) are not known. Bytes of the process are hostile: what does not look like a type is
// none, and what is kept has its limit. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "collect/golang/go_process.h"

namespace unclosed {

enum class TypeKind : uint8_t {
  kOther,
  kArray,
  kChannel,
  kFunction,
  kInterface,
  kMap,
  kPointer,
  kSlice,
  kString,
  kStruct,
  kUnsafePointer
};

struct TypeInfo {
  struct Field {
    std::string name;  // "" of an embedded type's: its own name stands in `name`
    uint64_t type = 0, offset = 0;
  };
  uint64_t address = 0;
  TypeKind kind = TypeKind::kOther;
  uint64_t size = 0;
  bool pointers = false;
  bool methods = false;  // an interface that has some: its values begin with an itab
  std::string name;      // with the import path of its package where it is known: "net/http.conn"
  uint64_t element = 0;  // of a pointer, slice, array, channel; of a map: of its values
  uint64_t key = 0, bucket = 0;  // of a map
  uint64_t length = 0;           // of an array
  std::vector<Field> fields;     // of a struct
};

class TypeReader {
 public:
  // What the table that interface values with methods begin with tells.
  struct Itab {
    uint64_t interface = 0, type = 0;
  };

  explicit TypeReader(GoProcess& process);

  // null: no type is there. It stays where it is.
  const TypeInfo* at(uint64_t address);
  // nullopt: no such table is there.
  std::optional<Itab> itab(uint64_t address);
  const AddressRange& range() const { return x_range; }

 private:
  std::optional<Bytes> bytes(uint64_t address, uint64_t size);
  bool load_part(uint64_t part);
  std::optional<std::string> name_at(uint64_t address);
  std::optional<TypeInfo> decode(uint64_t address);
  bool decode_fields(TypeInfo& type);
  void qualify(TypeInfo& type, uint8_t flags);

  enum class Part : uint8_t { kUnread, kRead, kUnreadable };
  GoProcess* x_process;
  AddressRange x_range;
  std::unique_ptr<std::byte[]> x_bytes;  // of x_range, where x_parts says so
  std::vector<Part> x_parts;
  std::unordered_map<uint64_t, std::optional<TypeInfo>> x_types;
  std::unordered_map<uint64_t, std::optional<Itab>> x_itabs;
  uint64_t x_kept = 0;  // bytes of names and fields
};

}  // namespace unclosed
