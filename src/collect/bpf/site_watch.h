// Which sites of the stack budget begin to look leaky: those whose connections stay open unused in
// growing number. They are exempt from sampling while they do. It is told of every open connection
// at each scan. A site is a number of the kernel side (budget.bpf.h); two paths may share one.
// Pure; one thread at a time.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace unclosed {

class SiteWatch {
 public:
  // One connection that was not used since the scan before, opened or last used at `site`; 0 is
  // none.
  void unused(uint16_t site);

  struct Change {
    uint16_t site;
    bool watched;
  };
  // Ends a scan; answers which sites are watched from now on, or no more.
  std::vector<Change> end_scan();

 private:
  struct Site {
    uint32_t now = 0, before = 0;
    uint32_t rises = 0;  // scans in a row at which the number grew
    uint32_t calm = 0;   // scans since it last grew
    bool watched = false;
  };
  std::unordered_map<uint16_t, Site> x_sites;
};

}  // namespace unclosed
