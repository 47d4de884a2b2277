// FindingText: one finding as text for a person: what leaks, the line with its neighbours, the sites
// and stacks, the evidence for and against, and the oldest connections. One thread at a time.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "report/report_text.h"
#include "report/text_page.h"

namespace unclosed {

class FindingText {
 public:
  // All must outlive it. `source`: may be empty, then no lines of source are shown.
  FindingText(const Report& report, const SourceReader& source, TextPage& page)
      : x_report(report), x_source(source), x_page(page) {}

  void write(const Finding& finding);

 private:
  void headline(const Finding& finding);
  void blame(const Finding& finding);
  void snippet(const Site& site);
  void sites(const Finding& finding);
  void site_item(std::string_view label, const std::optional<Site>& site,
                 const std::vector<SiteCount>& all);
  void callers(const Finding& finding);
  void evidence(const Finding& finding);
  void samples(const Finding& finding);

  double window() const { return seconds(x_report.ended - x_report.started); }

  const Report& x_report;
  const SourceReader& x_source;
  TextPage& x_page;
};

}  // namespace unclosed
