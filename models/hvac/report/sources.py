"""What is published, beside what we compute and assume: read where each address points, in full or as its"
" abstract."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """One published statement and what we take from it."""

    subject: str
    says: str
    used: str
    where: str
    address: str


FIELD_EVIDENCE = Source(
    "Energy saved in the field",
    "After two years, organizations using fault-detection tools had saved 9 % of their annual energy (median;"
    " whole buildings"
    " in a programme of thousands). Base cost 0.65 USD and recurring cost 0.22 USD a year per square metre (medians)",
    "Stands beside our figure. cost.product_per_unit_year: 0.22 USD x 1,500 m2 a unit",
    "Building Analytics Tool Deployment at Scale, Energies 2022, 15(13), 4858 (Lawrence Berkeley National Laboratory)",
    "https://www.mdpi.com/1996-1073/15/13/4858",
)
SOURCES: tuple[Source, ...] = (
    FIELD_EVIDENCE,
    Source(
        "Energy lost to faults",
        "Thirteen key faults cost US commercial buildings 4 to 18 % of their HVAC, lighting and refrigeration"
        " energy; equipment"
        " left on in empty buildings and leaking ducts are at least half of it",
        "The bound of what any policy can save; schedule_wrong is the most common of the controllers' habits",
        "Roth, Westphalen et al., The energy impact of faults in U.S. commercial buildings",
        "https://paperexplained.cn/articles/paper/detail/fdaeca4d3c081d40466a305a2d87f998da76391b",
    ),
    Source(
        "Energy lost to faults",
        "5 to 30 % of the energy of commercial buildings is wasted through faults and errors of control",
        "The same bound, as a survey of tools has it",
        "Frank et al., Characterization and survey of automated fault detection and diagnostic tools (NREL, LBNL)",
        "https://www.scribd.com/document/869537442",
    ),
    Source(
        "Schedules",
        "Setpoints and schedules of rooftop units: up to 20 % of their energy. Short cycling: up to 10 %",
        "What a wrong schedule costs comes from the simulated plants; how many are wrong is our assumption, 15"
        " % of the"
        " units at the start and 10 % more a year",
        "Kim, Katipamula, Lutes, Building and Environment 2017 (Pacific Northwest National Laboratory)",
        "https://www.scribd.com/document/718890170/Improving-HVAC-Operational-Efficiency",
    ),
    Source(
        "Controls used in full",
        "29 % of commercial building energy with 34 measures; heating and cooling only while occupied is about"
        " 6 % of it",
        "Why 20 % is more than fault detection alone is likely to reach",
        "A report of Pacific Northwest National Laboratory 2017, as Buildings tells it",
        "https://www.buildings.com/products/article/10186417/how-widespread-controls-can-cut-energy-use-by-29",
    ),
    Source(
        "Which faults of packaged units matter",
        "Of 20 top faults of small commercial buildings seven are of the refrigerant cycle; charge, condenser and"
        " evaporator fouling come first",
        "Families of rooftop units that wear",
        "Kim, Cai, Braun, International High Performance Buildings Conference 2018 (Purdue)",
        "https://docs.lib.purdue.edu/ihpbc/256/",
    ),
    Source(
        "Dampers",
        "Over 85 % of existing economizers do not work, by one trainer's field data",
        "Our fleets are better kept: dampers wear as the table of lives says",
        "National Comfort Institute, in HVAC Today",
        "https://hvactoday.com/10-commercial-performance-issues/2",
    ),
    Source(
        "Prevalence",
        "It is not known how common faults are in each type of equipment; a study of some ten million records"
        " of tools is"
        " under way",
        "Halved and doubled in the sensitivity table",
        "Conference paper of Pacific Northwest National Laboratory, 2022",
        "https://www.pnnl.gov/publications/analysis-automated-fault-detection-and-diagnosis-records-indicator-hvac-fault",
    ),
    Source(
        "Scheduled maintenance",
        "At least four visits a year; reactive calls of a contractor fell from 50 to 20 % of calls in three"
        " years of contracts",
        "scheduled.visit_months 3",
        "Gennari, in ACHR News",
        "https://www.achrnews.com/articles/83929-regular-service-keeps-rooftop-units-in-tip-top-shape",
    ),
    Source(
        "Renewals by the calendar",
        "Filters at each visit, belts once a year, condenser coils washed each spring, evaporator coils every"
        " 3 to 5 years",
        "tasks: renew_months of filters 3, belts and condensers 12",
        "Essential Retail Services",
        "http://essentialretailservices.com/index.php?option=com_content&view=article&id=75&Itemid=116",
    ),
    Source(
        "Response",
        "2 to 4 hours for contracts with an emergency fee",
        "reactive.response_hours 24: most buildings pay no such fee; halved and doubled in the sensitivity table",
        "RYN Services",
        "https://rynservices.com/taxonomy/term/69",
    ),
    Source(
        "Length of repairs",
        "Minor ones within hours; refrigerant leaks and compressors several days, longer where parts are ordered",
        "tasks: work_hours and parts_hours",
        "My AC Guys",
        "https://www.myacguys.com/blog/2023/may/how-long-does-it-take-to-repair-an-hvac-unit-/",
    ),
    Source(
        "Prices of repairs",
        "Labour 100 to 150 USD an hour on rooftop units; leaks 500 to 1,500 USD; compressors 1,200 to 2,500"
        " USD. Another guide:"
        " a major compressor failure can exceed 5,000 to 8,000 USD",
        "cost.labour_per_hour 125; tasks: parts_cost",
        "Oak Hill HVAC; the other is project-homecost.pages.dev",
        "https://oakhillhvac.com/?p=2773",
    ),
    Source(
        "Trips",
        "75 to 150 USD a call in regular hours, 125 to 250 USD after hours",
        "cost.callout 150, cost.emergency_factor 1.5",
        "LeadDuo",
        "https://www.leadduo.io/en/calculators/hvac-service-call-fee-calculator",
    ),
    Source(
        "What vendors promise",
        "25 % less maintenance cost, 70 % fewer breakdowns, 35 % less downtime, and warnings that it depends"
        " on where one starts",
        "Not used: it is what we wanted to know",
        "Cohera",
        "https://cohera.co/insights/predictive-maintenance-roi",
    ),
    Source(
        "Inspection standard",
        "Sets least requirements of inspection and maintenance for acceptable comfort, energy and air, with a"
        " table for each"
        " of 25 kinds of components",
        "That maintenance can be due. When it is (half severity) and when it is late (30 days) are settings of ours",
        "ASHRAE/ACCA Standard 180, in ACHR News",
        "https://www.achrnews.com/articles/102989-comments-open-for-ashrae-acca-inspection-and-maintenance-standard",
    ),
)
