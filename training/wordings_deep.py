"""Wordings of questions about spread, time, parts of a table, models and several files, as in `wordings.py`."""

QUESTIONS = {
    "percentile": """
{What is|Compute|Give me|Find|Show|Tell me|Calculate} the <k>{th|th|. |} percentile of <x>{?|}
{Below|Under} which <x> {are|lie} <k> percent of the {rows|values|records}?
<k>{th|} percentile of {the |}<x>
{Which|What} value of <x> {is not exceeded by|is above} <k> percent of the {rows|values}?
{We|I} {want|would love} to {know|find out} the <k>th percentile of <x>{.|}
{Would you|Will you} {compute|find|print} the <k>th percentile {for|of} <x>?
*{Can you tell me|I would like to know} the <k>th percentile of <x>{.|?}
*{Please report|Say} percentile <k> of <x>{.|}""",
    "quartiles": """
{What are|Show|Give me|Compute|Find|Calculate|Tell me} the quartiles of <x>{?|}
Quartiles of {the |}<x>{?|}
{Into which|At which} values do the quartiles {cut|split} <x>?
{We|I} {want|would love} to see the quartiles of <x>{.|}
{Would you|Will you} {print|compute} the {three |}quartiles {of|for} <x>?
*{Can you list|I would like to see} the quartiles of <x>{.|?}""",
    "outliers": """
{Are there|Do we have|Does the data have|Is there} {any |}outliers in {the |}<x>?
{How many|What number of} outliers {are there in|does|has} {the |}<x>{ have|}?
{Find|Detect|Count|Look for|Check for|Show} {the |}{outliers|extreme values|unusual values} {in|of} {the |}<x>{.|}
{Number of|Count of} outliers in <x>{?|}
Does <x> {have|contain|hold|show} {any |}{outliers|extreme values|unusual values}?
How many values of <x> {are|lie} {far away from the others|unusually far out|extreme}?
{We|I} {want|would love} to find out {whether|if} <x> has outliers{.|}
{Would you|Will you} {look for|check for|count} {outliers|extreme values} in <x>?
{Which share|How much} of <x> is {extreme|unusual|an outlier}?
*{Can you check|I would like to know} {whether there are|for} {outliers|extreme values} in <x>{.|?}
*{Please identify|Please count} the outliers of <x>{.|}""",
    "spread": """
{What is|Compute|Give me|Find|Show|Tell me} the range of {the |}<x>{?|}
{From where to where|How far|Over which range} does <x> {go|reach|extend}?
{What are|Show|Give me|Find} the {lowest and the highest|minimum and the maximum|smallest and the largest|min and max} <x>{?|}
{Minimum and maximum|Min and max|Range|Lowest and highest value} of {the |}<x>{?|}
Between which values {does|is} <x>{ lie|}?
{We|I} {want|would love} to know the {range|minimum and maximum} of <x>{.|}
{Would you|Will you} {print|find} the {range|lowest and highest value} of <x>?
*{Can you tell me|I would like to know} {the range|both the minimum and maximum} of <x>{.|?}""",
    "between": """
How many {rows|records|entries|of them} have {a |}<x> {between <a> and <b>|from <a> to <b>|of <a> to <b>}?
{Count|Number of|Count the} {rows|records|entries} {with|where|whose} <x> {is |}{between <a> and <b>|from <a> to <b>}{?|}
In how many {rows|records|cases} {is|lies} <x> {between <a> and <b>|in the range <a> to <b>}?
How {often|many times} is <x> {between <a> and <b>|from <a> to <b>}?
{We|I} {want|would love} to find out how many {rows|records} have <x> {between <a> and <b>|from <a> to <b>}{.|}
{Would you|Will you} count the {rows|records} {with|where} <x> {lies |is |}between <a> and <b>?
*{Please count|Can you count} {the|all} {rows|records} in which <x> {is|lies} between <a> and <b>{.|}
*I need the number of {rows|entries} with <x> at least <a> and at most <b>.""",
    "ratio": """
{How much|What is the} <x> {is there |}per <y>{ in total| overall|}?
{What is|Compute|Find|Give me|Show} the ratio of {the |}{total |}<x> to {the |}{total |}<y>{?|}
{Total|Overall} <x> {per|divided by} {total |}<y>{?|}
{Divide|Put} the total <x> {by|over} the total <y>{.|}
{Over all rows|In total|Overall}, how much <x> {comes on|is there for|is there per} {each|one} {unit of |}<y>?
{We|I} {want|would love} to know the <x> per {unit of |}<y>{.|}
{Would you|Will you} {compute|find} the ratio of <x> to <y>?
*{Can you compute|I would like to know} {the ratio of|how much} <x> {to|per} <y>{.|?}""",
    "duplicates": """
{Are there|Do we have|Does the data have|Does the table have} {any |}{duplicates|duplicate rows|repeated rows|double entries}?
How many {duplicates|duplicate rows|rows are duplicates|rows are repeated|rows occur twice} {are there|does it have|do we have}?
{Find|Count|Check for|Look for|Detect} {the |}{duplicates|duplicate rows|repeated rows|duplicate records}{.|}
{Number of|Count of} {duplicates|duplicate rows|repeated records}{?|}
{Is|Are} {any row|rows|some records} {there twice|repeated|duplicated}?
{We|I} {want|would love} to know {whether|if} {rows|records} are {duplicated|repeated}{.|}
{Would you|Will you} {count|look for} {duplicates|duplicate rows}?
*{Can you check|Please check} {whether rows are duplicated|for duplicated records}{.|?}""",
    "complete": """
How many {rows|records|entries} {are complete|have no missing values|have no gaps|have all values|are without missing values}?
How many {rows|records} {are left|remain|would remain} {if|when|after} {I drop|we drop|dropping} {those with missing values|all rows with missing values|incomplete rows}?
{Count|Number of} {complete rows|complete records|rows without missing values}{?|}
{Drop|Remove|Leave out} {the rows|all rows} with missing values and count {the rest|what is left|the rows}{.|}
{We|I} {want|would love} to know how many {rows|records} are complete{.|}
{Would you|Will you} count the {rows|records} without {gaps|missing values}?
*{Can you tell me|I would like to know} how many {complete rows|fully filled rows} there are{.|?}""",
    "fill": """
{What is|Compute|Find|Give me|Show} the {mean|average} <x> {if|when} {gaps|missing values} {are filled|are replaced} {with|by} the <w>{?|}
{Fill|Replace} {the |}{gaps|missing values} {in|of} <x> {with|by} the <w> and {give|compute|show|tell me} the {mean|average}{.|}
{Mean|Average} <x> after {filling|replacing} {missing values|the gaps} {with|by} the <w>{?|}
{Impute|Fill} <x> {with|by} {its|the} <w>{, then compute| and compute|: what is} the {mean|average}{?|}
{We|I} {want|would love} to see the {mean|average} <x> with {gaps|missing values} {filled by|set to} the <w>{.|}
*{Can you impute|Please impute} {missing values of |}<x> by the <w> and report the mean{.|?}""",
    "group_where": """
{What is|Show|Show me|Give me|Compute|List} the <agg> <x> {per|by|for each|for every} <g> {where|for|when|if} <c> {is |= |equals |}<v>{?|}
<agg> <x> {per|by|for each} <g> {for|where} <c> {is |= |}<v>{?|}
{For|Where|If} <c> {is |= |}<v>, {what is|show|compute|list} the <agg> <x> {per|by|for each} <g>{?|}
{Considering|Using|Taking} only {the |}{rows|records} {with|where} <c> {is |}<v>, {what is|show} the <agg> <x> by <g>{?|}
{Among|Within} the {rows|records} {with|where} <c> {is |}<v>, {compare|list|show} the <agg> <x> {of the <gs>|by <g>}{.|}
{We|I} {want|would love} to see the <agg> <x> {per|by} <g> {for|where} <c> {is |}<v>{.|}
{Would you|Will you} {print|show} the <agg> <x> {per|by} <g> {for|where} <c> {is |}<v>?
*{Only for|Only where} <c> {is |}<v>: {show|what is} the <agg> <x> by <g>{?|.}
*{Can you compute|I would like to see} the <agg> <x> {of|for} each <g> where <c> is <v>{.|?}""",
    "group_where_high": """
{Which|What} <g> has the <high> <agg> <x> {where|for|when|if} <c> {is |= |equals |}<v>?
{For|Where|If|With} <c> {is |= |}<v>, {which|what} <g> has the <high> <agg> <x>?
{Among|Within|Of} the {rows|records} {with|where} <c> {is |}<v>, which <g> {has|shows} the <high> <agg> <x>?
{Considering|Using|Taking} only <c> <v>, {which|what} <g> has the <high> <agg> <x>?
{We|I} {want|would love} to know which <g> has the <high> <agg> <x> {for|where} <c> {is |}<v>{.|}
*{Can you tell me|Say} which <g> has the <high> <agg> <x> {when|where} <c> is <v>{.|?}""",
    "group_where_number": """
{What is|Show|Show me|Give me|Compute|List} the <agg> <x> {per|by|for each|for every} <g> {where|for|when|if} <c> {is |}<v>{?|}
<agg> <x> {per|by|for each} <g> {for|where|with} <c> {is |}<v>{?|}
{For|Where|If} <c> {is |}<v>, {what is|show|compute|list} the <agg> <x> {per|by|for each} <g>{?|}
{Considering|Using|Taking} only {the |}{rows|records} {with|where} <c> {is |}<v>, {what is|show} the <agg> <x> by <g>{?|}
{We|I} {want|would love} to see the <agg> <x> {per|by} <g> {for|where} <c> {is |}<v>{.|}
*{Only for|Only where} <c> {is |}<v>: {show|what is} the <agg> <x> by <g>{?|.}""",
    "group_where_number_high": """
{Which|What} <g> has the <high> <agg> <x> {where|for|when|if|with} <c> {is |}<v>?
{For|Where|If} <c> {is |}<v>, {which|what} <g> has the <high> <agg> <x>?
{Among|Within|Of} the {rows|records} {with|where} <c> {is |}<v>, which <g> {has|shows} the <high> <agg> <x>?
{We|I} {want|would love} to know which <g> has the <high> <agg> <x> {for|where} <c> {is |}<v>{.|}
*{Can you tell me|Say} which <g> has the <high> <agg> <x> {when|where} <c> is <v>{.|?}""",
    "group_share": """
{What|Which} {share|percentage|percent|part|proportion|fraction} of {the total|the overall|all|all the} <x> does each <g> {have|make|bring|get|account for}?
{Show|Give me|Compute|List|What is} the {share|percentage|part|proportion} of {the total |total |}<x> {by|per|for each|of each} <g>{?|}
{Share|Percentage|Percent|Contribution} of {total |}<x> {by|per|of each} <g>{?|}
{How much|How many percent} {of the <x>|of all <x>|of the total <x>} {does each <g> contribute|comes from each <g>|belongs to each <g>}?
{How does|How is} the total <x> {split|divide|break down|distributed} {over|across|among|between} the <gs>?
{Contribution|Part} of each <g> to {the |}{total |overall |}<x>{?|}
{We|I} {want|would love} to see {what|which} share of {the |}<x> each <g> has{.|}
{Would you|Will you} {compute|show} the share of <x> {of|for} each <g>?
*{Can you show|I would like to see} {how many percent of|the share of} the total <x> {each|every} <g> has{.|?}""",
    "group_share_high": """
{Which|What} <g> {has|makes up|accounts for|contributes|brings} the {largest|biggest|greatest|highest} {share|percentage|part|proportion} of {the |}{total |}<x>?
{Find|Name|Tell me} the <g> with the {largest|biggest} {share|part} of {the |}{total |}<x>{.|}
{How large|How big} is the {largest|biggest} share of {total |}<x> {of a|by} <g>?
{We|I} {want|would love} to know which <g> has the {largest|biggest} {share|part} of {the |}<x>{.|}
*{Can you say|Tell us} which <g> {has|holds} the {largest|greatest} percentage of {the |}<x>{.|?}""",
    "groups_above": """
How many <gs> {have|show|reach} {a|an} <agg> <x> <above> <k>?
{In|For} how many <gs> is the <agg> <x> <above> <k>?
{Count|Number of} {the |}<gs> {with|whose} {a |}<agg> <x> {is |}<above> <k>{?|}
How many of the <gs> {have|are at} {a |}<agg> <x> <above> <k>?
{We|I} {want|would love} to know how many <gs> have a <agg> <x> <above> <k>{.|}
{Would you|Will you} count the <gs> with {a |}<agg> <x> <above> <k>?
*{Please count|Can you count} the <gs> where the <agg> <x> is <above> <k>{.|?}""",
    "difference": """
{What is|Compute|Find|Give me|Show} the difference {in|of} {mean |average |the mean |}<x> between <v> and <u>{?|}
{How much|By how much} {higher|larger|more|lower|less|smaller} is the {mean |average |}<x> {for|of|in|with} <v> than {for|of|in|with} <u>?
{By how much|How far} {does|do} the {mean|average} <x> of <v> and <u> {differ|lie apart}?
{Difference|Gap} {in|of} {mean |average |}<x>{:|} <v> {minus|versus|against} <u>
How {big|large} is the {gap|difference} in {mean |average |}<x> between <v> and <u>?
{Subtract|Take} the {mean|average} <x> of <u> from that of <v>{.|}
{We|I} {want|would love} to know how much <v> and <u> {differ|lie apart} in {mean|average} <x>{.|}
*{Can you compute|I would like to know} the {gap|difference} between <v> and <u> in {mean|average} <x>{.|?}""",
    "best_where": """
{Which|What} <l> has the <high> <x> {where|for|among those with|if|with} <c> {is |= |equals |}<v>?
{For|Where|In|Among} <c> {is |= |}<v>, {which|what} <l> has the <high> <x>?
{Among|Within|Of} the {rows|records} {with|where} <c> {is |}<v>, which <l> has the <high> <x>?
{Find|Name|Tell me} the <l> with the <high> <x> {for|where} <c> {is |}<v>{.|}
{We|I} {want|would love} to know which <l> has the <high> <x> {for|where} <c> {is |}<v>{.|}
*{Can you tell me|Say} which <l> has the <high> <x> when <c> is <v>{.|?}""",
    "top_where": """
{Show|List|Give me|Name|What are} the {top |}<n> <ls> {by|with the <high>} <x> {where|for|with} <c> {is |= |}<v>{?|}
{Top|The top} <n> <ls> by <x> {where|for|with} <c> {is |= |}<v>{.|}
{For|Where|Among} <c> {is |= |}<v>, {show|list|which are} the <n> <ls> with the <high> <x>{?|}
{Which|What} <n> <ls> have the <high> <x> {where|for|if} <c> {is |}<v>?
{We|I} {want|would love} to see the {top |}<n> <ls> by <x> {for|where} <c> {is |}<v>{.|}
*{Can you list|I would like to see} the <n> <ls> with the <high> <x> where <c> is <v>{.|?}""",
    "best_each": """
{Which|What} <l> has the <high> <x> {in each|of each|for each|per|in every} <g>?
{For each|For every|In each|In every|Per} <g>, {which|what} <l> has the <high> <x>?
{Find|Show|List|Name|Give me} the <l> with the <high> <x> {in each|of each|for each|per|for every} <g>{.|}
<l> with the <high> <x> {per|by|of each|in every} <g>{?|}
{We|I} {want|would love} to see the <l> with the <high> <x> {per|of each|for every} <g>{.|}
{Would you|Will you} {find|list} the <l> with the <high> <x> {of each|per} <g>?
*{Can you name|I would like to know} the <l> with the <high> <x> within each <g>{.|?}""",
    "change": """
{How much|By how many percent|By how much} {has|did} the <agg> <x> {change|changed|grow|grown|rise|risen|fall|fallen} {over time|over the <ts>|from the first to the last <t>|since the first <t>|from beginning to end}{ in percent|}?
{What is|Compute|Find|Show|Give me} the {percent change|percentage change|relative change|growth} of {the |}<agg> <x> {over time|from the first to the last <t>|over the <ts>|over all <ts>}{?|}
{Percent change|Percentage change|Growth} of {the |}<agg> <x> {over time|over all <ts>|from first to last <t>}{?|}
{From the first to the last <t>|Over the whole time|Over all <ts>}, {how much|by how many percent} did the <agg> <x> {change|grow|rise}?
{We|I} {want|would love} to know {by how many percent|how much} the <agg> <x> changed over {time|the <ts>}{.|}
*{Can you compute|I would like to know} {the percentage change|by how many percent} of the <agg> <x> from the first <t> to the last{.|?}""",
    "change_by": """
{How much|By how many percent} does <x> change {from <p> to <p>|each <p>|every <p>|per <p>}?
{Show|Give me|Compute|List|What is} the {percent change|percentage change|growth|growth rate} of {the |}{total |}<x> {by|per|from <p> to|for each} <p>{?|}
{Percent change|Percentage change|Growth|Growth rate} of {total |}<x> {by|per|for each} <p>{?|}
{<p> over <p>|From <p> to <p>}, how does {the total |}<x> {change|grow|move} in percent?
{We|I} {want|would love} to see the {growth|percent change} of <x> {by|per} <p>{.|}
*{Can you show|I would like to see} by how many percent <x> changes from one <p> to the next{.|?}""",
    "part_list": """
{What is|Show|Show me|Give me|Compute|List} the <agg> <x> {per|by|for each|for every|on each} <p>{?|}
<agg> <x> {per|by|for each} <p>{?|}
How does the <agg> <x> {vary|change|differ|depend} {by|with|across|on} {the |}<p>?
{Compare|Break down} the <agg> <x> {by|per|across|over} <p>{.|}
{Group by|By|Per} <p>, {what is|show} the <agg> <x>{?|}
{Is there|Does <x> have} a {pattern|seasonal pattern|rhythm} {by|over the} <p>{ in <x>|}?
{We|I} {want|would love} to see the <agg> <x> {per|by|for each} <p>{.|}
{Would you|Will you} {print|show|compute} the <agg> <x> {per|by|for every} <p>?
*I would like to see the <agg> <x> {of|for} {each|every} <p>.""",
    "part_high": """
{On which|Which|In which|What} <p> {has|is|shows|had} the <high> <agg> <x>?
{On which|In which|For which} <p> is the <agg> <x> the <high>?
{Which|What} <p> is the {strongest|best|busiest} {by|in} <agg> <x>?
{Find|Name|Tell me} the <p> with the <high> <agg> <x>{.|}
{When|On what <p>} is <agg> <x> {the |}<high>{, by <p>|}?
{We|I} {want|would love} to know the <p> with the <high> <agg> <x>{.|}
*{Can you tell me|Say} {which|on which} <p> the <agg> <x> is <high>{.|?}""",
    "part_low": """
{On which|Which|In which|What} <p> {has|is|shows|had} the <low> <agg> <x>?
{On which|In which|For which} <p> is the <agg> <x> the <low>?
{Which|What} <p> is the {weakest|worst|quietest} {by|in} <agg> <x>?
{Find|Name|Tell me} the <p> with the <low> <agg> <x>{.|}
{We|I} {want|would love} to know the <p> with the <low> <agg> <x>{.|}
*{Can you tell me|Say} {which|on which} <p> the <agg> <x> is <low>{.|?}""",
    "trend": """
{Is there|Do we see|Is it known if there is} a trend in {the |}<x>{ over time| over the <ts>|}?
{Is|Are} <x> {rising|falling|increasing|decreasing|growing|shrinking|going up|going down|rising or falling}{ over time| over the <ts>|}?
{Does|Did} <x> {rise|fall|increase|decrease|grow|shrink|go up|go down} {over time|over the <ts>|with <t>|with time}?
{What is|Find|Compute|Test|Check|Tell me} the trend {of|in} <x>{ over time| over <t>|}{?|}
{In which direction|Where} is <x> {moving|heading}{ over time|}?
{We|I} {want|would love} to know {whether|if} <x> {rises|falls|grows|goes up|goes down} over {time|the <ts>}{.|}
{Would you|Will you} {test|check} whether <x> {has a trend|rises|falls} over {time|<t>}?
*{Can you check|Please check} {whether|if} there is {an upward|a downward|a} trend {of|in} <x>{.|?}
*{I would like to know|Tell us} {if|whether} <x> {increases|decreases} over the <ts>{.|}""",
    "span": """
{Which|What} {period|time span|time range|dates} {does the data cover|do the data cover|is covered|does <t> cover}?
{From when to when|How many days|Over how many days} {does the data|does <t>|do the data} {go|reach|extend}?
{What are|Show|Find} the first and {the |}last <t>{?|}
{How long|How many days} {is|lie} between the first and {the |}last <t>?
{First and last|Earliest and latest} <t>{?|}
{We|I} {want|would love} to know which {period|time span} the data covers{.|}
{Would you|Will you} {find|print} the first and {the |}last <t>?
*{Can you tell me|I would like to know} the {earliest and latest|first and final} <t>{.|?}""",
    "moving": """
{Plot|Draw|Show|Chart|Make a plot of} {a|the} moving average {of|over} <k> {of|for} <x>{ over time| over <t>|}{.|}
{Plot|Draw|Show} {a|the} <k>{-step|-point|} {moving|rolling} {average|mean} of <x>{.|}
{Moving|Rolling} {average|mean} over <k> {of|for} <x>{ over time|}
{Smooth|Smoothen} <x> with a {moving|rolling} {average|mean} {of|over} <k>{ and plot it| and draw it|}{.|}
{We|I} {want|would love} to see a {moving|rolling} {average|mean} of <x> over <k> {steps|values|points}{.|}
*{Can you draw|I would like to see} {a|the} {moving|rolling} average {of|over} <k> for <x>{.|?}""",
    "running": """
{Plot|Draw|Show|Chart} {the |}{running total|cumulative sum|cumulative total|cumulated sum|accumulated} {of |}<x>{ over time| over <t>|}{.|}
{Running total|Cumulative sum|Cumulative total} of <x>{ over time| by <t>|}
{How does|How did} {the |}<x> {add up|accumulate|sum up} over {time|<t>|the <ts>}?
{Accumulate|Cumulate|Add up} <x> over {time|<t>} and {plot|draw} it{.|}
{We|I} {want|would love} to see the {running total|cumulative sum} of <x>{.|}
*{Can you draw|I would like to see} the {cumulative sum|running total} of <x> over time{.|?}""",
    "lines": """
{Plot|Draw|Show|Chart} <x> over {time|<t>} {by|for each|per|for every|with a line for each} <g>{.|}
{Plot|Draw|Make|Show} {a line|one line|lines|a curve} {for each|per|of each} <g>{:| of} <x> over {time|<t>}{.|}
{Line chart|Line plot|Lines} of <x> over {time|<t>} {by|per|for each} <g>
{How does|How did} <x> {develop|change|evolve} over {time|<t>} {for each|by|per} <g>?
{Compare|Show} the {development|course} of <x> over {time|<t>} {of|for} the <gs>{.|}
{We|I} {want|would love} to see <x> over {time|<t>} {by|for each|per} <g>{.|}
*{Can you draw|I would like to see} <x> over {time|<t>} with one line {per|for every} <g>{.|?}""",
    "anova": """
{Does|Do} <x> {differ|vary} {significantly |}{between|across|among|over} {the|all} {<gs>|groups of <g>|values of <g>}?
{Is there|Do we see} a {significant |}difference {in|of} <x> {among|across|between} {all|the different|all the} <gs>?
{Run|Do|Perform|Make} {an ANOVA|an analysis of variance|a one-way ANOVA|an F-test} of <x> {by|over|across|on} <g>{.|}
{Test|Check} {whether|if} <x> {differs|is different|is the same} {between|across|among} {all |}the <gs>{.|}
{ANOVA|Analysis of variance} of <x> by <g>{.|}
{Is|Are} the {mean|average} <x> {the same|equal} {for|in|across} all <gs>?
{We|I} {want|would love} to know {whether|if} <x> differs {across|among} {all|the} <gs>{.|}
*{Can you test|Please test} whether the mean <x> {differs|is equal} across <gs>{.|?}""",
    "dependent": """
{Are|Is} <g> and <h> {independent|related|dependent|associated|connected}?
{Is there|Do we see} {an association|a relation|a connection|a dependence} between <g> and <h>?
{Does|Do} <g> {depend on|go together with|have to do with} <h>?
{Run|Do|Perform|Make} a {chi-square test|chi-squared test|test of independence} {of|on|for} <g> and <h>{.|}
{Chi-square test|Test of independence}{:| of} <g> and <h>{.|}
{Test|Check} {whether|if} <g> and <h> are {independent|related}{.|}
{We|I} {want|would love} to know {whether|if} <g> and <h> {are related|depend on each other}{.|}
*{Can you test|Please test} {the independence of|whether} <g> and <h>{ are independent|}{.|?}""",
    "crosstab": """
{Show|Give me|Make|Create|Print} a {cross table|crosstab|contingency table|cross tabulation|frequency table} of <g> and <h>{.|}
{Cross table|Crosstab|Contingency table} of <g> {and|by|against} <h>
{How many|Count the} {rows|records|entries} {are there |}{for each|per|for every} <g> and <h>{?|}
{Counts|Number of rows} {by|per|for each} <g> and <h>{?|}
{Tabulate|Cross} <g> {and|by|against|with} <h>{.|}
{We|I} {want|would love} to see how often each <g> {goes|comes} with each <h>{.|}
*{Can you tabulate|Please tabulate} the counts of <g> by <h>{.|?}""",
    "strongest": """
{Which|What} {column|variable|one|quantity} {correlates|is correlated|goes|is related} {most|most strongly|best|strongest} {with|to} <x>?
{Which|What} {column|variable} has the {strongest|highest|largest} correlation with <x>?
{What|Which columns} {drives|influences|goes with|explains} <x> {most|the most|best}?
{Find|Name|Tell me|Show} the {column|variable} that {correlates|goes} {most|best} with <x>{.|}
{Strongest|Highest} correlation with <x>{?|}
{Rank|Order|Sort} the columns by {their |}correlation with <x>{.|}
{We|I} {want|would love} to know what <x> {depends on most|correlates with most}{.|}
{Would you|Will you} {find|show} what correlates {most|best} with <x>?
*{Can you tell me|Say} which {variable|column} is most strongly correlated with <x>{.|?}""",
    "predict": """
{How well can|Can} <y> be {predicted|explained|modelled|estimated} {from|by|with} {the other columns|all other columns|the other variables|everything else|the rest}?
{Predict|Model|Explain|Estimate} <y> {from|by|with|using} {the other columns|all other columns|the other variables|all other numbers|everything else|the rest}{.|}
{Build|Fit|Train|Make} a {model|linear model|regression model} {for|of|to predict|that predicts} <y> {from|with|using} {all other columns|the other variables|all columns}{.|}
{How good is|What R2 has} a {linear |}model of <y> {on|with} {all other columns|the other variables}?
{We|I} {want|would love} to {predict|explain} <y> {by|from|with} {all other columns|the rest|everything else}{.|}
*{Can you build|Please build} a model that predicts <y> from the other {columns|variables} and {score it|say how good it is}{.|?}""",
    "classify": """
{How well can|Can} {we |I |}{<g> be predicted|the <g> be predicted|<g> be told} {from|by|with} {the numbers|the other columns|the numeric columns|the measurements}?
{Classify|Predict|Tell} {the |}<g> {from|by|with|using} {the numbers|the other columns|the numeric columns|all numeric columns|the measurements}{.|}
{Train|Build|Fit|Make} a {classifier|classification model|logistic regression|model} {for|of|that predicts|to predict} {the |}<g>{.|}
{What accuracy|How accurate} {has|is} a {classifier|logistic regression|model} {of|for} {the |}<g>?
{With what accuracy|How accurately} can the <g> be predicted?
{We|I} {want|would love} to {predict|classify} the <g> {from|by|with} the {numbers|numeric columns|measurements}{.|}
*{Can you train|Please train} a {model|classifier} that tells the <g>{ and give its accuracy|}{.|?}""",
    "clusters": """
{Cluster|Group|Segment|Split|Divide} the {rows|data|records} {into|in} <k> {clusters|groups|segments} {by|using|with|on} <x> and <y>{.|}
{Find|Make|Build|Show|Compute} <k> {clusters|groups|segments} {by|using|of|with|on} <x> and <y>{.|}
{Run|Do|Perform} {k-means|a k-means clustering|a clustering|a cluster analysis} with <k> {clusters|groups} on <x> and <y>{.|}
<k> {clusters|segments} by <x> and <y>
{How large|How big} are <k> clusters {by|of|over} <x> and <y>?
{We|I} {want|would love} to have <k> {clusters|groups} by <x> and <y>{.|}
*{Can you cluster|Please cluster} the {rows|records} by <x> and <y> into <k> groups{.|?}""",
    "box": """
{Plot|Draw|Show|Make|Create|Give me} a {box plot|boxplot|box-and-whisker plot} of <x> {by|per|for each|over} <g>{.|}
{Box plot|Boxplot|Boxes} of <x> {by|per|for each} <g>
{Plot|Draw|Show} the {spread|distribution} of <x> {by|per|for each|of each} <g>{ as boxes| with boxes|}{.|}
{Compare|Show} the {distributions|spread} of <x> {across|over|among|between} the <gs>{ in a box plot| as a box plot|}{.|}
{We|I} {want|would love} to see a {box plot|boxplot} of <x> {by|per} <g>{.|}
*{Can you draw|I would like to see} {boxes|a box plot} of <x> for every <g>{.|?}""",
    "pie": """
{Plot|Draw|Show|Make|Create|Give me} a {pie|pie chart|pie plot} of {the |}{<g>|<gs>|counts of <g>|shares of <g>}{.|}
{Pie|Pie chart} of {the |}{<g>|<gs>}
{Plot|Draw|Show} the shares of {the |}<gs> as a pie{ chart|}{.|}
{We|I} {want|would love} to see a pie {chart |}of {the |}<gs>{.|}
*{Can you draw|I would like to see} the {<gs>|shares of <g>} as a pie{ chart|}{.|?}""",
    "unmatched": """
How many {rows|records|entries} of <a> {have no|are without a|lack a} {match|partner|counterpart|entry} in <b>?
How many {rows|records} {in|of} <a> {are not in|do not occur in|are missing from|cannot be found in} <b>?
{Count|Number of} {rows|records} of <a> {without a match in|that are not in|missing from} <b>{?|}
{Does|Do} {every row|all rows|each record} of <a> {have|find} a {match|partner} in <b>?
{Are|Is} {any rows|some records} of <a> {missing from|not in|absent from} <b>?
{We|I} {want|would love} to know how many {rows|records} of <a> are {not in|missing from} <b>{.|}
*{Can you count|Please count} the {rows|records} of <a> that {find no match|have no counterpart} in <b>{.|?}""",
}
FOLLOW = {
    "value": ["{And|What about|How about} {for |}<v>?", "{The same|Same|Now the same} for <v>{.|}", "{and|now} <v>", "*And how is it for <v>?"],
    "why": ["Why is <v> so {high|large}?", "{What|Which <g>} is behind <v>?", "{What explains|Where does it come from for} <v>?",
            "{Break|Split} <v> down{ further|}{.|}", "*What is the reason for <v>?"],
    "month": ["{And|Now} {by|per} month?", "{Break it down|Split it|Group it} by month{.|}", "{By month|Monthly}{?|}", "*And for each month?"],
    "top": ["{And the|Only the|Show the|Just the} top <n>?", "{Top|The top} <n>{ only|}{.|}", "*And the first <n>?"],
    "percent": ["{As percent|In percent|As percentages|As shares}{?|.|}", "{And|Now} in percent{?|.|}", "*Can you give it in percent?"],
}
