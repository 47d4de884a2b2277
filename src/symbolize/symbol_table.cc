#include "symbolize/symbol_table.h"

#include <dlfcn.h>

#include <algorithm>

#include "symbolize/plain_name.h"

namespace unclosed {
namespace {

constexpr size_t kUnpackedCap = 256UL << 20;
constexpr uint64_t kSizelessCap = 64 * 1024;  // how far a symbol without a size may reach

// liblzma is loaded only for binaries that need it; libdw depends on it, so it is there.
std::vector<std::byte> unpack_xz(Bytes packed) {
  static void* library = dlopen("liblzma.so.5", RTLD_NOW | RTLD_LOCAL);
  using Decode = int (*)(uint64_t*, uint32_t, const void*, const uint8_t*, size_t*, size_t,
                         uint8_t*, size_t*, size_t);
  const auto decode = library == nullptr
                          ? nullptr
                          : reinterpret_cast<Decode>(dlsym(library, "lzma_stream_buffer_decode"));
  constexpr int kOk = 0, kBufferTooSmall = 10;
  for (size_t size = packed.size() * 8; decode != nullptr && size <= kUnpackedCap; size *= 2) {
    std::vector<std::byte> out(size);
    uint64_t memory = kUnpackedCap;
    size_t in_at = 0, out_at = 0;
    const int answer =
        decode(&memory, 0, nullptr, reinterpret_cast<const uint8_t*>(packed.data()), &in_at,
               packed.size(), reinterpret_cast<uint8_t*>(out.data()), &out_at, out.size());
    if (answer == kBufferTooSmall) continue;
    if (answer != kOk) break;
    out.resize(out_at);
    return out;
  }
  return {};
}

// Of several names at one address the one that a person would use: with a size, global, short.
bool before(const ElfSymbol& a, const ElfSymbol& b) {
  if (a.address != b.address) return a.address < b.address;
  if ((a.size != 0) != (b.size != 0)) return a.size != 0;
  if (a.global != b.global) return a.global;
  const size_t a_low = a.name.find_first_not_of('_'), b_low = b.name.find_first_not_of('_');
  if (a_low != b_low) return a_low < b_low;
  return a.name.size() < b.name.size();
}

}  // namespace

SymbolTable::SymbolTable(const ElfFile& elf, Bytes debug) {
  add(elf);
  if (const auto other = ElfFile::parse(debug)) add(*other);
  if (const auto packed = elf.contents(".gnu_debugdata")) {
    x_unpacked = unpack_xz(*packed);
    if (const auto small = ElfFile::parse(x_unpacked)) add(*small);
  }
  std::sort(x_symbols.begin(), x_symbols.end(), before);
  x_symbols.erase(std::unique(x_symbols.begin(), x_symbols.end(),
                              [](const auto& a, const auto& b) { return a.address == b.address; }),
                  x_symbols.end());
}

void SymbolTable::add(const ElfFile& elf) {
  for (const char* table : {".symtab", ".dynsym"}) {
    const auto found = elf.functions(table);
    x_symbols.insert(x_symbols.end(), found.begin(), found.end());
  }
}

std::optional<std::string_view> SymbolTable::symbol_at(uint64_t address) const {
  auto at = std::upper_bound(
      x_symbols.begin(), x_symbols.end(), address,
      [](uint64_t value, const ElfSymbol& symbol) { return value < symbol.address; });
  // A symbol that covers the address may lie behind smaller ones inside of it.
  for (int tries = 0; at != x_symbols.begin() && tries < 8; ++tries) {
    --at;
    const uint64_t distance = address - at->address;
    const uint64_t reach = at->size != 0 ? at->size : tries == 0 ? kSizelessCap : 0;
    if (distance < reach) return at->name;
  }
  return std::nullopt;
}

std::optional<std::string> SymbolTable::name_at(uint64_t address) const {
  const auto symbol = symbol_at(address);
  return symbol ? std::optional(plain_symbol(*symbol)) : std::nullopt;
}

std::vector<std::string> SymbolTable::rust_mains() const {
  std::vector<std::string> mains;
  for (const ElfSymbol& symbol : x_symbols) {
    if (symbol.name.find("4main") == std::string_view::npos) continue;
    const auto crates = rust_crates(symbol.name);
    if (crates.size() != 1 || plain_rust(symbol.name) != crates.front() + "::main") continue;
    if (std::find(mains.begin(), mains.end(), crates.front()) == mains.end())
      mains.push_back(crates.front());
  }
  return mains;
}

}  // namespace unclosed
