"""Wordings of questions, by family, as `phrases.fill` reads them.

`{a|b}` chooses, `<x>` is filled in. A wording that starts with `*` is held out: only evaluation uses it.
"""

AGGREGATES = {
    "mean": ["mean", "average", "avg", "mean value of", "arithmetic mean of"],
    "sum": ["total", "sum of", "combined", "overall"],
    "median": ["median"],
    "min": ["minimum", "lowest", "smallest", "min", "least", "tiniest", "*minimal"],
    "max": ["maximum", "highest", "largest", "max", "greatest", "biggest", "peak", "*maximal"],
    "std": ["standard deviation of", "std of", "*spread (standard deviation) of"],
}
HIGH = ["highest", "largest", "greatest", "biggest", "top", "most", "maximum", "*maximal"]
LOW = ["lowest", "smallest", "least", "minimum", "tiniest", "*minimal"]

QUESTIONS = {
    "load": """
{Load|Read|Open|Import} {the data|the file|the table|this data set} {and show me|and show|and display} {the first rows|a few rows|the top|a preview}{.|}
{Show|Show me|Let me see|Display|Print|I want to see} the {first|top} {rows|lines|records|few rows}{ of the data| of the table|}{.|}
{Take a look at|Have a look at|Look at|Preview|Peek into} {the data|the file|this file|the table}{.|}
{Load|Open|Read|Import} {the data|it|the file|the table}{.|}
{What does|How does} {the data|the table|this file|the file} look{ like|}?
head of the {data|table}
{Let us|Let's} {have a look at|look at|see} {the data|the file|what we have}{.|}
{We|I} {need|want|would want} to see {what the data looks like|what is in the file|some rows}{.|}
{Would you|Will you} {load|open} {this|it|the file|the table} and {show|display} {some|the first|a few} {rows|lines}?
{Give me|Can I have|May I have} {a preview|a glimpse|a first look|the first few lines}{ of the data| of the table|}{?|.}
{Start|Begin} {with|by} {a look at the data|loading the file|reading the table}{.|}
*I would like to see the {beginning|first lines} of the {data|file|table}.
*{Please open|Can you open|Can you read} the {file|table} and {print|list} {the first lines|some rows}?""",
    "columns": """
{What|Which} columns {are there|are in the table|does it have|does the table have|are in the data|do we have}?
{List|Show|Name|Give me|Print} {the|all|all the} {columns|column names|fields|variables|headers}{ of the table|}{.|}
{What|Which} {variables|fields|features} {are there|does the data have|are in the file}?
What are the {columns|column names|fields}{ called|}?
{We|I} {want|would love} to know {what|which} {columns|fields|variables} {there are|the table has|we have}{.|}
{May I|Can I} {see|have} {the names of all columns|the column names|a list of the columns}?
{How are|What are} the {columns|fields} {named|called}?
{Would you|Will you} {list|name|print} the {columns|fields|headers}{ of this file|}?
*Tell me {all|} the names of the columns{ in the file|}.
*{Can you list|I need} the {column names|fields} of the {data|file}{?|.}""",
    "shape": """
How {many rows and columns are there|many rows and columns does the data have|many rows and columns}?
{What is|What's|Tell me|Show} the {shape|size|dimensions} of the {data|table|data set|file}{?|.}
How {big|large} is the {table|data set|data|file}?
{Number|Count} of rows and columns{?|}
{We|I} {want|would love} to know how {big|large} the {table|data set|file} is{.|}
{Would you|Will you} {count|give me} the {rows and columns|rows and the columns}?
{Rows and columns|Size|Dimensions|Shape} of the {table|data}{, please|?|}
How many {lines and columns|records and fields|columns and rows} {does it have|are there|has it}?
*{Could you say|Do you know} how {big|large} this {data set|file} is, in rows and columns?
*I need the number of rows and the number of columns.""",
    "rows": """
How many {rows|records|lines|entries|observations|samples|cases} {are there|does the table have|are in the data|does it have|are in the file|do we have}{ in all| in total|}?
{Count|Number of|What is the number of|Tell me the number of} {the rows|rows|records|entries|observations}{?|}
How long is the {table|file|data}?
How many <e> {are there|are in the table|are in the data|does the table have|do we have|are in the file}{ in all| in total|}?
{We|I} {want|would love} to know how many {rows|records|entries|<e>} {there are|we have}{.|}
{Would you|Will you} {count|number} the {rows|records|entries|<e>}{ for me|}?
{Length|Size} of the {table|data} in {rows|records}{?|}
What is the {total |}number of {rows|records|entries|<e>}{ in the file| here|}?
*{Can you count|Please count} {all|} the {rows|records|entries} {of the file|in the table}{?|.}""",
    "describe": """
{Give me|Show me|I want|I need|Create|Make} {an overview|a summary|summary statistics|descriptive statistics|basic statistics}{ of the data| of the table|}{.|}
{Describe|Summarize|Summarise|Explore} {the data|the table|this data set|the file|it|all columns}{.|}
{Overview|Summary|Statistics|Summary statistics} of {the|all} {data|table|numeric columns}{.|}
What {is in|can you tell me about|do we know about} {the data|this data|the table}?
{We|I} {want|would love} {an overview|a summary|statistics}{ of everything|}{.|}
{Would you|Will you} {describe|summarize|sum up} {the table|the file|the data}{ briefly|}?
{Brief|Quick|First|Short} {overview|summary|description}{ of the data| of the table|, please|}{.|}
{Run|Do|Start} a {quick|first|short|brief} {analysis|exploration|look} of {the data|all columns}{.|}
{Mean, min and max|Key figures|Main statistics} of {all|every} {numeric |}column{s|}{.|}
*{Could you|Can you} {summarize|describe} {this file|these data} for me?
*I would like a short {overview|description} of the {file|table}, with statistics.""",
    "agg": """
{What is|What's|Tell me|Give me|Show|Show me|Find|Compute|Calculate|I need|I want} the <agg> <x>{?|}
{What was|What is} the <agg> <x> {in the data|in the table|over all rows|across all rows|overall|in this file}?
<agg> <x>{?|}
{Please compute|Can you give me|Could you find|Can you calculate|Can you tell me|I'd like to know} the <agg> <x>{?|, please}
{Get|Work out|Determine|Report|Print|Return} the <agg> <x>{.|}
{Over|Across} all {rows|records}, {what is|give|compute} the <agg> <x>{?|}
How {high|large|big} is the <agg> <x>?
{Value of the|The} <agg> <x>{, please|?|}
{We|I} {want|would love|would need} {to find out|to get|to have} the <agg> <x>{.|}
{Would you|Will you} {find|get|calculate|print} the <agg> <x>{ for me|}?
{It would be nice|It would help} to {have|see|know} the <agg> <x>{.|}
{Let us|Let's} {see|compute|get} the <agg> <x>{.|}
{My boss|My team|The report} {asks for|needs|wants} the <agg> <x>{.|}
{Do you have|Is there} the <agg> <x>?
*I would like to know the <agg> <x>{.|, please.}
*{Could you|Would you} {compute|tell me|work out} the <agg> <x> of {this data|the table}?
*{Say|Let me know} what the <agg> <x> is{.|}""",
    "agg_high": """
{What is|How much is|How high is|How large is} <x> on average?
{On average|In the mean}, {what is|how high is|how large is} {the |}<x>?
{How much|What} is {the |}<x> {usually|typically} on average?
{We|I} {want|would love} to see how high <x> is on average{.|}
*{Tell me|I want to know} {what|how much} <x> is on average.""",
    "extreme_date": """
{What is|Which is|Find|Show} the {<early>} <t>{?|}
{When was|What was} the {<early>} <t>?
{<early>} <t> in the data
{We|I} {want|would love} to find out the {<early>} <t>{.|}
{Would you|Will you} {find|print} the {<early>} <t>?
*I would like to know the {<early>} <t>.""",
    "nunique": """
How many {different|distinct|unique} <xs> {are there|does the table have|appear|occur|do we have|are in the data|exist}?
{Number|Count} of {different|distinct|unique} <xs>{?|}
How many {different|distinct|unique} values does <x> {have|take}?
{Count|Tell me|Find|What is} the {number of |}{different|distinct|unique} <xs>{.|}
How many <xs> are {different|distinct|unique}?
How many <xs> {are there|are in the data|does the table have}?
{We|I} {want|would love} to find out how many {different|distinct|unique} <xs> {we have|exist|appear}{.|}
{Would you|Will you} {count|number} the {different|distinct|unique} <xs>?
{How many|What number of} <xs> {can be found|occur} {here|in this table|in the file}?
*{Please say|Can you tell me} how many {distinct|unique|different} {<xs>|values of <x>} there are{.|}
*I need the number of {distinct|unique} values in <x>.""",
    "unique": """
{Which|What} <xs> {are there|appear|occur|exist|are in the data|does the table have|do we have}?
{List|Show|Name|Give me|Print} {all|the|all the} {different|distinct|unique|} {values of <x>|<xs>}{.|}
What {are the|} {values|levels|categories} {of|in} <x>{ are there|}?
{Which|What} {values|levels} does <x> {have|take}?
{We|I} {want|would love} to see {which|what} <xs> {there are|exist|occur}{.|}
{Would you|Will you} {show|print|name} the {different|distinct} <xs>?
*{Can you list|Please name} {all|} the {distinct|different} {<xs>|values in <x>}{.|?}""",
    "group_high": """
{Which|What} <g> {has|had|shows|has got|gets|reaches} the <high> <agg> <x>?
{Which|What} <g> is {first|highest|best|on top} {by|in} <agg> <x>?
{Find|Show|Tell me|Name|Give me} the <g> with the <high> <agg> <x>{.|}
{For which|In which} <g> is the <agg> <x> the <high>?
Where is the <agg> <x> <high>, by <g>?
{Which|What} of the <gs> has the <high> <agg> <x>?
<g> with the <high> <agg> <x>{?|}
{We|I} {want|would love} to find out {which|what} <g> has the <high> <agg> <x>{.|}
{Would you|Will you} {find|name|print} the <g> with the <high> <agg> <x>?
{Is it known|Do we know|Do you see} which <g> has the <high> <agg> <x>?
The <high> <agg> <x>: {which|what} <g>{ is it|}?
{Which|What} <g> {leads|is the leader|wins|comes first} {in|by} <agg> <x>?
*{I would like to know|Can you tell me|Say} which <g> has the <high> <agg> <x>{.|?}
*{Among|Of} {all|the} <gs>, which {one|} {has|shows} the <high> <agg> <x>?
*{Determine|Identify} the <g> {whose|where the} <agg> <x> is <high>.""",
    "group_low": """
{Which|What} <g> {has|had|shows|has got|gets|reaches} the <low> <agg> <x>?
{Which|What} <g> is {last|lowest|worst} {by|in} <agg> <x>?
{Find|Show|Tell me|Name|Give me} the <g> with the <low> <agg> <x>{.|}
{For which|In which} <g> is the <agg> <x> the <low>?
{Which|What} of the <gs> has the <low> <agg> <x>?
<g> with the <low> <agg> <x>{?|}
{We|I} {want|would love} to find out {which|what} <g> has the <low> <agg> <x>{.|}
{Would you|Will you} {find|name|print} the <g> with the <low> <agg> <x>?
{Is it known|Do we know|Do you see} which <g> has the <low> <agg> <x>?
The <low> <agg> <x>: {which|what} <g>{ is it|}?
{Where|In which <g>} is the <agg> <x> <low>, {by|per} <g>?
*{I would like to know|Can you tell me|Say} which <g> has the <low> <agg> <x>{.|?}
*{Among|Of} {all|the} <gs>, which {one|} {has|shows} the <low> <agg> <x>?
*{Determine|Identify} the <g> {whose|where the} <agg> <x> is <low>.""",
    "group_list": """
{What is|Show|Show me|Give me|Compute|Calculate|Find|I need|List|Get} the <agg> <x> {per|by|for each|for every|in each|of each|grouped by} <g>{?|.|}
<agg> <x> {per|by|for each|of each|of every} <g>{?|}
{Compare|Compare the|How does the|Break down the} <agg> <x> {between|across|among|over} {the |}<gs>{.|}
How does the <agg> <x> {differ|vary|change|depend} {by|between|across|with|on} {<g>|<gs>}?
{Group by|For each|Per|By} <g>, {what is|show|give|compute} the <agg> <x>{?|}
{Table|List|Ranking} of <agg> <x> {by|per} <g>{.|}
{Rank|Order|Sort} the <gs> by <agg> <x>{.|}
{We|I} {want|would love|would need} to get the <agg> <x> {per|by|for each|of each|for every} <g>{.|}
{Would you|Will you} {print|get|calculate|list} the <agg> <x> {per|by|for each|for every} <g>?
{It would be nice|It would help} to know the <agg> <x> {per|by|for every|of every} <g>{.|}
{Put together|Make a table of|Split} the <agg> <x> {by|per} <g>{.|}
{Aggregate|Summarize|Sum up} <x> by <g> {using|with} the <agg>{.|}
{Grouped by|Within each|Within every} <g>, {what is|print|find} the <agg> <x>{?|}
*I would like to {see|have} the <agg> <x> {of|for} {each|every} <g>.
*{Can you|Could you|Please} {compute|show|list} the <agg> <x> {per|for each} <g>{?|.}
*{Group the data|Group the rows|Group} by <g> and {compute|give me|show} the <agg> <x>.""",
    "group_top": """
{Show|Show me|List|Give me|What are|Find|Which are} the {top |}<n> <gs> {by|with the highest|with the largest} <agg> <x>{?|}
{Top|The top|The best} <n> <gs> by <agg> <x>{.|}
{We|I} {want|would love} to see the {top |}<n> <gs> by <agg> <x>{.|}
{Would you|Will you} {print|list|find} the <n> <gs> with the {highest|largest|greatest} <agg> <x>?
{Leading|First} <n> <gs> by <agg> <x>{.|}
*I would like to see the <n> <gs> with the highest <agg> <x>.""",
    "group_most": """
{Which|What} <g> {sold|made|earned|had|spent|used|got|has|produced|received} the most <x>?
{Which|What} <g> has {most|more} <x> than all others{ in total|}?
{Which|What} <g> {contributes|brings|accounts for} the most <x>?
{Who|Where} {has|had|made|is} the most <x>, by <g>?
{We|I} {want|would love} to find out {which|what} <g> has the most <x>{ overall| in total|}{.|}
{Which|What} <g> {is responsible for|stands for|is behind} the most <x>?
*{Tell me|Can you say} which <g> has the most <x>{ in total|}{.|}""",
    "top": """
{Show|Show me|List|Give me|Find|What are|Print} the {top |}<n> {rows|records|entries|lines} with the <high> <x>{?|.|}
{Top|The top|Show the top} <n> {rows |records |}by <x>{.|}
{Which|What} <n> {rows|records|entries} have the <high> <x>?
{Sort|Order} by <x> {descending|from high to low} and show <n> rows
The <n> <high> values of <x>{.|}
{We|I} {want|would love} to {see|have|get} the <n> {rows|records|entries} with the <high> <x>{.|}
{Would you|Will you} {list|show|find} the <n> {rows|records|lines} with the <high> <x>?
{Show|Print|List} the <n> {rows|records|lines} {that have|having} the <high> <x>{.|}
{Rows|Records} with the <n> <high> {values of|} <x>{.|}
{Where|In which <n> rows} is <x> <high>{? <n> rows|?}
*{I would like to see|Can you print} the <n> {rows|records} {in which|where} <x> is <high>{.|?}
*{Please sort|Sort the rows} by <x> and give me the <n> {rows |}with the <high> values.""",
    "bottom": """
{Show|Show me|List|Give me|Find|What are|Print} the {bottom |}<n> {rows|records|entries|lines} with the <low> <x>{?|.|}
{Bottom|The bottom|Show the bottom} <n> {rows |records |}by <x>{.|}
{Which|What} <n> {rows|records|entries} have the <low> <x>?
The <n> <low> values of <x>{.|}
{We|I} {want|would love} to {see|have|get} the <n> {rows|records|entries} with the <low> <x>{.|}
{Would you|Will you} {list|show|find} the <n> {rows|records|lines} with the <low> <x>?
{Show|Print|List} the <n> {rows|records|lines} {that have|having} the <low> <x>{.|}
{Rows|Records} with the <n> <low> {values of|} <x>{.|}
{Sort|Order} by <x> {ascending|from low to high} and {show|print} <n> rows{.|}
In which <n> {rows|records} is <x> <low>?
*{I would like to see|Can you print} the <n> {rows|records} {in which|where} <x> is <low>{.|?}""",
    "top_label": """
{Which|What|Show me the|List the|Give me the|Name the} <n> <ls> {have|with} the <high> <x>{?|}
{Top|The top|Show the top} <n> <ls> by <x>{.|}
{What are|Who are|Find} the <n> <ls> with the <high> <x>{?|}
{Rank|Order} the <ls> by <x> and show the top <n>{.|}
{We|I} {want|would love} to see the <n> <ls> with the <high> <x>{.|}
{Would you|Will you} {list|name|print} the <n> <ls> with the <high> <x>?
*{I would like to know|Can you tell me} the <n> <ls> {with|that have} the <high> <x>{.|}""",
    "bottom_label": """
{Which|What|Show me the|List the|Give me the|Name the} <n> <ls> {have|with} the <low> <x>{?|}
{Bottom|The bottom|Show the bottom} <n> <ls> by <x>{.|}
{We|I} {want|would love} to see the <n> <ls> with the <low> <x>{.|}
{Would you|Will you} {list|name|print} the <n> <ls> with the <low> <x>?
*{I would like to know|Can you tell me} the <n> <ls> {with|that have} the <low> <x>{.|}""",
    "best_label": """
{Which|What} <l> {has|had|shows|reaches|got} the <high> <x>?
{Find|Name|Tell me|Show|Give me} the <l> with the <high> <x>{.|}
{Which|What} is the <l> with the <high> <x>?
{We|I} {want|would love} to find out {which|what} <l> has the <high> <x>{.|}
{Would you|Will you} {find|name|print} the <l> with the <high> <x>?
*{I would like to know|Can you tell me|Say} which <l> has the <high> <x>{.|?}""",
    "worst_label": """
{Which|What} <l> {has|had|shows|reaches|got} the <low> <x>?
{Find|Name|Tell me|Show|Give me} the <l> with the <low> <x>{.|}
{We|I} {want|would love} to find out {which|what} <l> has the <low> <x>{.|}
{Would you|Will you} {find|name|print} the <l> with the <low> <x>?
*{I would like to know|Can you tell me|Say} which <l> has the <low> <x>{.|?}""",
    "lookup": """
{What is|What's|How high is|Show|Give me|Find|Tell me} the <x> {of|for} {<l> |the <l> |}<v>{?|}
{Which|What|How much} <x> does {<l> |the <l> |}<v> have?
<x> {of|for} {<l> |}<v>{?|}
{We|I} {want|would love} to {find out|get} the <x> {of|for} {<l> |}<v>{.|}
{Would you|Will you} {find|print|get} the <x> of {<l> |}<v>?
*{I need|Please look up} the <x> of {<l> |}<v>.""",
    "count_eq": """
How many {rows|records|entries|lines} have <c> {equal to |=|}<v>?
How many {rows|records|entries|of them} {are|have} <c> <v>?
How many {rows|records|entries|times|cases} {is|are there where|with|where} <c> {is|equals|=|of|was} <v>{?| are there?}
{Count|Number of|Count the|What is the number of} {rows|records|entries} {with|where|in which|for|whose} <c> {is |equal to |= |}<v>{?|}
How {often|many times} {is|does} <c> {equal to |}<v>{ occur|}?
How many <v> {are there |}in <c>?
{We|I} {want|would love} to find out how many {rows|records|entries} have <c> {equal to |}<v>{.|}
{Would you|Will you} count the {rows|records|entries} {with|where|in which} <c> {is |equals |}<v>?
{How many|What number of} {rows|records|lines} {show|hold|carry} <v> {in|as|for} <c>?
{Number of times|How often} <c> {is|was|equals} <v>{?|}
*{Please count|Can you count} {the|all} {rows|records} {where|with} <c> {is |}<v>{.|}
*{I need|Tell me} the number of {rows|entries} {that have|with} <v> {in|as} <c>.""",
    "count_bare": """
How many {rows|records|entries|of them|} are <v>?
How many <v> {rows|records|entries|} are there?
{Count|Number of} {the |}<v> {rows|records|entries}{.|}
{We|I} {want|would love} to find out how many {rows|records|entries|} are <v>{.|}
{Would you|Will you} count the <v> {rows|records|entries}?
*{Please count|Can you count} {the|all} {rows|records|entries} {that are|for} <v>{.|}""",
    "count_gt": """
How many {rows|records|entries|of them|cases|} {have|with} {a <x>|<x>} {greater than|above|over|more than|higher than|larger than|of more than|>} <k>{?| are there?}
{Count|Number of|Count the} {rows|records|entries} {with|where|in which|whose} <x> {is above|is over|greater than|exceeds|is more than|>} <k>{?|}
How {often|many times} {is|does} <x> {above|over|greater than|more than|exceed} <k>?
In how many {rows|records|cases} is <x> {above|over|greater than|larger than} <k>?
{We|I} {want|would love} to find out how many {rows|records|entries} have {a |}<x> {above|over|greater than|more than|higher than} <k>{.|}
{Would you|Will you} count the {rows|records|entries} {with|where|whose} <x> {is |}{above|over|greater than|higher than|larger than} <k>?
{Rows|Records|Number of rows} {with|where} <x> {> |is higher than |is larger than |of at least }<k>{?|}
*{Please count|Can you count} {the|all} {rows|records} {where|with} <x> {above|greater than|over} <k>{.|}
*{I need|Tell me} the number of {rows|entries} {in which|where} <x> is {more|higher|greater} than <k>.""",
    "count_lt": """
How many {rows|records|entries|of them|cases|} {have|with} {a <x>|<x>} {less than|below|under|smaller than|lower than|of less than|<} <k>{?| are there?}
{Count|Number of|Count the} {rows|records|entries} {with|where|in which|whose} <x> {is below|is under|less than|is less than|<} <k>{?|}
How {often|many times} is <x> {below|under|less than} <k>?
In how many {rows|records|cases} is <x> {below|under|less than|smaller than} <k>?
{We|I} {want|would love} to find out how many {rows|records|entries} have {a |}<x> {below|under|less than|lower than|smaller than} <k>{.|}
{Would you|Will you} count the {rows|records|entries} {with|where|whose} <x> {is |}{below|under|less than|lower than|smaller than} <k>?
{Rows|Records|Number of rows} {with|where} <x> {< |is lower than |is smaller than }<k>{?|}
*{Please count|Can you count} {the|all} {rows|records} {where|with} <x> {below|less than|under} <k>{.|}
*{I need|Tell me} the number of {rows|entries} {in which|where} <x> is {less|lower|smaller} than <k>.""",
    "count_two": """
How many {rows|records|entries|of them} have <c> {equal to |}<v> and {a |}<x> <above> <k>?
How many <v> {rows|records|entries} {in <c>|of <c>} have {a <x>|<x>} <above> <k>?
{Count|Number of|Count the} {rows|records|entries} {where|with} <c> {is|=|equals} <v> and <x> <above> <k>{?|}
{Count|Number of|Count the} {rows|records|entries} {where|with} <x> <above> <k> and <c> {is|=|equals} <v>{?|}
{We|I} {want|would love} to find out how many {rows|records} have <c> {equal to |}<v> and <x> <above> <k>{.|}
{Would you|Will you} count the {rows|records} with <c> {equal to |}<v> and {with |}<x> <above> <k>?
{Count|Number of} {rows|records|entries} of <c> <v> {whose|where the|with a} <x> {is |}<above> <k>{.|}
*{Please count|Can you count} {the|all} {rows|records} with <c> <v> {in which|where} <x> is <above> <k>{.|}""",
    "filter_agg": """
{What is|What's|Compute|Give me|Find|Tell me|Show|Calculate} the <agg> <x> {for|of|in|where|when|with} <c> {is |= |equal to |}<v>{?|}
{What is|What's|Compute|Give me|Find} the <agg> <x> {for|of|in} {the |}<v> <c>{?|}
{For|In|Where} <c> {is |= |}<v>, {what is|show|compute} the <agg> <x>{?|}
<agg> <x> {for|of|where} <c> {is |= |}<v>{?|}
{Considering|Using|Take} only {the |}{rows|records} {with|where} <c> {is |}<v>, {what is|compute|find} the <agg> <x>{?|}
{We|I} {want|would love} to find out the <agg> <x> {for|of|where|when} <c> {is |equals |}<v>{.|}
{Would you|Will you} {compute|find|get} the <agg> <x> {for|of|where} <c> {is |}<v>?
{Among|Within|Over} the {rows|records} {with|where} <c> {is |}<v>, {what is|find|print} the <agg> <x>{?|}
{Keep|Use|Filter} only <c> <v> {rows |}and {give|compute|print} the <agg> <x>{.|}
If <c> is <v>, what is the <agg> <x>?
*{I would like to know|Can you tell me} the <agg> <x> {of|for} {the |all |}{rows|records} {with|where} <c> {is |}<v>{.|}
*Only for <c> <v>: what is the <agg> <x>?""",
    "filter_bare": """
{What is|What's|Compute|Give me|Find|Tell me|Show} the <agg> <x> {for|of|in|among} {the |}<v>{?| rows?| only}
{For|In|Among} <v>, {what is|show|compute} the <agg> <x>{?|}
<agg> <x> {for|of|in} <v>{?|}
{We|I} {want|would love} to find out the <agg> <x> {for|of|in|among} <v>{.|}
{Would you|Will you} {compute|find|get} the <agg> <x> {for|of|among} {the |}<v>{ rows| only|}?
*{I would like to know|Can you tell me} the <agg> <x> {of|for} <v>{.|}""",
    "missing": """
{Are there|Do we have|Does the data have|Does the table have|Is there} {any |}missing {values|data|entries}{ in the table|}?
{Which|What} columns {have|contain} {missing|null|empty|NaN} {values|data|entries|cells}?
How many {missing|null|empty|NaN} {values|cells|entries} {are there|does each column have|are in each column}{ per column| in each column|}?
{Check|Look|Show|Count|Find|List} {for |the |}{missing|null|NaN} {values|entries|data}{ per column| by column|}{.|}
{Which|What} column has the most {missing|null|empty} {values|entries|cells}?
{Missing|Null} {values|data}{ per column|}{?|}
{We|I} {want|would love} to find out {if|whether|where} {values|entries|data} are {missing|empty|lacking}{.|}
{Would you|Will you} {look for|count|list} {missing|empty|null} {values|entries|cells}?
{Where|In what columns} {are|do we have} {missing|empty|null} {values|entries|cells}?
{Is|Are} {the data|the table|all columns} complete{ or is something missing|}?
{Do|Does} {any|some} {columns|column} {have gaps|contain gaps|lack values|lack entries}?
{Which|What} columns are {incomplete|not complete|not filled}{ everywhere|}?
*{Can you check|Please check} {whether there are|for} {missing|null} {values|entries}{ in any column|}{?|.}
*I would like to know {where|in which columns} {values|entries} are missing.""",
    "missing_one": """
How many {missing|null|empty|NaN} {values|entries|cells} {are in|are there in|does the column} <x>{ have|}?
How many {rows|records|entries} {have no|lack a|lack|are missing|are without} <x>?
{Is|Are} {there any|any} <x> missing?
{Count|Number of} {missing|null|empty} {values in <x>|<x> values}{?|}
How {often|many times} is <x> {missing|empty|null}?
{We|I} {want|would love} to find out how many {values|entries} {of|in} <x> are {missing|empty}{.|}
{Would you|Will you} count the {missing|empty|null} {values|entries|cells} in <x>?
How many {gaps|empty cells|missing entries} {are there in|has} <x>?
*{Please count|Can you count} the {missing|empty} {values|entries} {of|in} <x>{.|?}""",
    "value_counts": """
{How many|Count the|Number of|Show the number of|Count|What is the number of} {rows|records|entries} {are there |}{per|for each|by|in each|of each} <g>{?|}
{Value counts|Counts|Distribution|Frequency|Frequencies|Frequency table} of {the |}<g>{.|}
How {often|many times} does each <g> {occur|appear}?
How {are|is} the {rows|records|data} distributed {over|across|among} {the |}<gs>?
{Count|Show|Give me} the {values|frequencies|counts} of <g>{.|}
{We|I} {want|would love} to find out how many {rows|records|entries} {there are for each|each|belong to each} <g>{ has|}{.|}
{Would you|Will you} count {the rows per|how many rows there are for each|each} <g>?
{How often|How many times} {is|was} {each|every} <g> {seen|found|present|used}?
{Count|Tally|Tabulate} {the |}<gs>{.|}
{Number|Count} of {records|entries|rows} {per|for every|of every} <g>{?|}
{Table|List} of counts {per|by|for} <g>{.|}
*{I would like to know|Can you tell me} how many {rows|records} {each|every} <g> has{.|}
*{Please count|Count} how often {each|every} <g> is there.""",
    "most_common": """
{What|Which} is the {most common|most frequent|commonest} <g>?
{Which|What} <g> {appears|occurs|comes up|is there|is seen} {most often|most|the most}{ in the data|}?
{Most common|Most frequent} <g>{?|}
{Which|What} <g> has {the most|most} {rows|records|entries}?
{Find|Tell me|Show} the {most common|most frequent} <g>{.|}
{We|I} {want|would love} to find out the {most common|most frequent|commonest} <g>{.|}
{Would you|Will you} {find|name|print} the {most common|most frequent} <g>?
{Which|What} <g> {do we have|do we see|is seen|is found} {most often|the most}?
{The|What is the} {mode|most usual value} of <g>{?|}
*{I would like to know|Can you tell me} {the|which is the} {most frequent|most common} <g>{.|}""",
    "share": """
What {percentage|percent|share|proportion|fraction} of {the rows|rows|the records|records|entries|them} {have|has|is|are} <c> {equal to |}<v>?
What is the {percentage|share|proportion} of <v> in <c>{ in percent|}?
{Share|Percentage|Percent|Proportion} of <v> {in|among|of} {<c>|<cs>}{?|}
How many percent {are|of the rows are|have} {<c> <v>|<v> in <c>}?
{What|Which} {percentage|percent|share} of <cs> {is|are} <v>?
{We|I} {want|would love} to find out {what|which} {share|percentage|part} of {the rows|records|<cs>} {is|are|has} <c> <v>{.|}
{Would you|Will you} {compute|find} the {share|percentage|proportion} of <v> {in|among} {<c>|<cs>}?
{How large|How big|How high} is the {share|percentage|proportion} of <v> {in|among} {<c>|<cs>}?
*{I would like to know|Can you tell me} the {percentage|share} of {rows|records} {with|where} <c> {is |}<v>{.|}""",
    "shares": """
What {percentage|percent|share|proportion} {does each <g> have|is each <g>|of rows is in each <g>}?
{Share|Shares|Percentage|Percentages|Proportions} of {each <g>|the <gs>|<gs>}{ in percent|}{?|}
{Show|Give me|Compute} the {shares|percentages|proportions} of {the |}<gs>{.|}
{We|I} {want|would love} to find out the {shares|percentages|proportions} of {the |}<gs>{.|}
{Would you|Will you} {compute|print|show} the {share|percentage} of {each|every} <g>?
{How large|How big} is the {share|percentage} of {each|every} <g>?
{In percent|As percentages}, how {often|many times} does each <g> occur?
*{I would like to know|Can you show} the {percentage|share} {of|for} {each|every} <g>{.|}""",
    "two_groups": """
{What is|Show|Show me|Give me|Compute} the <agg> <x> {per|by|for each} <g> and <h>{?|}
<agg> <x> by <g> and <h>
{Table|Pivot table|Cross table} of <agg> <x> by <g> and <h>
{We|I} {want|would love} to get the <agg> <x> {per|by|for each} <g> and <h>{.|}
{Would you|Will you} {print|show} the <agg> <x> by <g> and <h>?
*I would like to see the <agg> <x> for every <g> and <h>.""",
    "period": """
{What is|Show|Show me|Give me|Compute|List} the <agg> <x> {per|by|for each|for every} <p>{?|}
<agg> <x> {per|by|for each} <p>
{Group by|By|Per} <p>, what is the <agg> <x>?
{We|I} {want|would love} to get the <agg> <x> {per|by|for each|for every} <p>{.|}
{Would you|Will you} {print|show|compute} the <agg> <x> {per|by|for every} <p>?
*I would like to see the <agg> <x> of {each|every} <p>.""",
    "absent": """
{What is|What's|Show|Compute|Find|Tell me} the {mean|average|total|median|maximum|highest|minimum} <z>{?|}
{Which|What} <g> has the {highest|lowest|most} {average |total |}<z>?
{Plot|Draw} {a histogram of |}<z>{.|}
How many {rows|records} have {a |}<z> above <k>?
{Average|Mean|Total} <z> {per|by} <g>{?|}
How many {different|distinct} <z> values are there?
{We|I} {want|would love} to find out the {mean|average|total|median|maximum|minimum} <z>{.|}
{Would you|Will you} {compute|find|show} the {mean|average|total|highest|lowest} <z>{ per <g>|}?
{What is|Find|Give me} the {correlation|link} between <z> and <g>{?|}
{Show|List|Give me} the <n> rows with the {highest|lowest|largest} <z>{.|}
{Draw|Make} a {bar chart|line plot|scatter plot} of <z>{ by <g>|}{.|}
{Count|Number of} rows {with|where} <z> {is |}{above|below} <k>{.|}
{How much|How high|How large} is the {average|total|mean} <z>{ of each <g>|}?
*{I would like to know|Can you tell me} the {mean|average|total} <z>{.|}""",
}
