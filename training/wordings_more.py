"""Wordings of questions that a plot or a test answers, as in `wordings.py`."""

QUESTIONS = {
    "corr": """
{What is|What's|Compute|Calculate|Find|Give me|Show|Tell me} the correlation {between|of} <x> and <y>{?|}
{How|How strongly|How closely|How much} {are|do} <x> and <y> {related|correlated|correlate|connected|go together}?
{Is|Are} {there a correlation|there a relation|there a link|there a relationship} between <x> and <y>?
{Correlation|Correlate} {of |between |}<x> {and|with|vs} <y>{?|}
Does <x> {correlate|go up|rise|increase} with <y>?
{Correlation|Pearson correlation|correlation coefficient} of <x> {and|with} <y>
{We|I} {want|would love} to find out {the correlation between|how strongly|whether} <x> and <y>{ correlate| are related|}{.|}
{Would you|Will you} {compute|find|check} the correlation {of|between} <x> and <y>?
{Are|Is} <x> {connected|linked|related|tied} {to|with} <y>?
*{I would like to know|Can you compute} {the correlation of|how closely} <x> and <y>{ are correlated|}{.|?}
*{Do|Are} <x> and <y> {show a correlation|correlated}?""",
    "hist": """
{Plot|Draw|Show|Make|Create|Give me|I want} {a|the} histogram {of|for} <x>{.|}
{Show|Plot|Draw|Visualize|Display} {the |}distribution of <x>{.|}
{How is|How are} <x> distributed?
Histogram {of|for} <x>
{Plot|Draw|Show} how <x> is distributed{.|}
{We|I} {want|would love} {to see|to have} {a|the} histogram of <x>{.|}
{Would you|Will you} {plot|draw|show} {the distribution|a histogram} of <x>?
{It would be nice|It would help} to see how <x> is {distributed|spread out}{.|}
*{Could you|Can you} {draw|make|show me} a histogram of <x>?
*I would like to see the distribution of <x>{ as a histogram|}.""",
    "bar": """
{Plot|Draw|Make|Create|Show|Give me|I want} {a|the} bar {chart|plot|graph} of {the |}<agg> <x> {per|by|for each} <g>{.|}
{Bar chart|Bar plot|Bars|bar graph} of {the |}<agg> <x> {per|by|for each} <g>
{Plot|Draw|Visualize|Chart|Show me a chart of} {the |}<agg> <x> {per|by|for each} <g>{.|}
{Compare|Show} the <agg> <x> of the <gs> {in|with|as} a bar {chart|plot}{.|}
{We|I} {want|would love} {to see|to have} a bar {chart|plot|graph} of {the |}<agg> <x> {per|by|for each} <g>{.|}
{Would you|Will you} {plot|draw|chart} the <agg> <x> {per|by|for each|of each|for every} <g>{ as bars| as a bar chart|}?
{Show|Plot|Draw} {bars|columns} of the <agg> <x> {for each|for every|of every} <g>{.|}
*{Could you|Can you} {draw|make} {bars|a bar chart} of {the |}<agg> <x> for {every|each} <g>?
*I would like to see a bar chart with the <agg> <x> of each <g>.""",
    "bar_counts": """
{Plot|Draw|Make|Create|Show|Give me} {a|the} bar {chart|plot|graph} of {the |}{counts of <g>|number of rows per <g>|<g> counts|<g>}{.|}
{Plot|Draw|Visualize|Chart} {how many rows each <g> has|the counts of <g>|how often each <g> occurs|the number of records per <g>}{.|}
{Bar chart|Bars} of {the |}{<g>|<g> counts|counts of <g>}
{We|I} {want|would love} to see a bar {chart|plot} of {the |}{counts of <g>|number of rows per <g>|<g> counts}{.|}
{Would you|Will you} {plot|draw|chart} {the counts of <g>|how often each <g> occurs|how many rows each <g> has}?
*{Could you|Can you} {draw|make} {bars|a bar chart} of {how often each <g> occurs|the counts of <g>}?""",
    "line": """
{Plot|Draw|Show|Make a line plot of|Make a line chart of|Chart|Visualize} <x> {over|by|against|along} {time|<t>|<t>}{.|}
{How does|How did|How has} <x> {change|develop|evolve|changed|developed} over {time|<t>|the <ts>}?
{Line chart|Line plot|Trend|Time series} of <x>{ over time| by <t>| over <t>|}
{Show|Plot|Draw} the {trend|development|time series|course} of <x>{.|}
{We|I} {want|would love} to see how <x> {changed|moved|went} over {time|<t>}{.|}
{Would you|Will you} {plot|draw|show|chart} <x> over {time|<t>}?
{Draw|Plot|Make} {a|the} {line|curve|line chart} of <x> {over|along|by} {time|<t>}{.|}
*{Could you|Can you} {draw|plot} a line of <x> over {time|<t>}?
*I would like to see {how|the way} <x> {develops|changes} {over|with} {time|<t>}.""",
    "scatter": """
{Plot|Draw|Make|Create|Show|Give me} a {scatter plot|scatterplot|scatter} of <y> {against|versus|vs|vs.|over} <x>{.|}
{Scatter|Scatter plot|Scatterplot}{ of|} <y> {against|versus|vs} <x>
{Scatter|Plot} <x> {on the x axis and|as x and} <y> {on the y axis|as y}{.|}
{Plot|Draw} <y> {against|versus|vs|as a function of} <x>{.|}
{We|I} {want|would love} {to see|to have} a {scatter plot|scatterplot} of <y> {versus|vs|and|over} <x>{.|}
{Would you|Will you} {plot|draw|scatter} <y> {against|versus|over} <x>?
{Points|Dots|A cloud of points} of <y> {against|over|versus} <x>{.|}
*{Could you|Can you} {draw|make} a scatter plot with <x> {as x|on the x axis} and <y> {as y|on the y axis}?
*I would like to see a scatter plot of <y> against <x>.""",
    "regression": """
{Fit|Run|Do|Make|Compute} a {linear regression|regression|linear fit|linear model} of <y> on <x>{.|}
{Regress|Linear regression of|Linear regression:} <y> on <x>{.|}
{Predict|Explain|Model} <y> {from|by|with} <x> {with a linear regression|with a linear model|by a straight line|linearly}{.|}
{What is|Find|Give me} the {slope|regression line|slope and the intercept|line of best fit} of <y> {on|against|over} <x>{?|}
How much does <y> {change|rise|increase|grow} {per|for each|with each} unit of <x>?
Fit a {straight |}line to <y> {over|against|as a function of} <x>{.|}
{We|I} {want|would love} {to fit|to run|to see} a {linear regression|regression|straight line} of <y> on <x>{.|}
{Would you|Will you} {fit|run|regress} {a line of |a regression of |}<y> on <x>?
{How does|How well does} <x> {predict|explain} <y>{ linearly| in a linear model|}?
{By how much|How much} does <y> {go up|rise|move} {with|per} one unit {more |}of <x>?
*{Could you|Can you} {fit|compute} a {linear regression|regression line|straight line} {for|of} <y> on <x>?
*I would like a linear regression that predicts <y> from <x>.""",
    "ttest": """
{Is there a|Do we see a|Is there any} {significant |}difference in <x> between <v> and <u>?
{Compare|Test|Compare the} <x> {between|of|for} <v> and <u>{.|}
{Do|Does} <v> and <u> {differ|differ significantly} in <x>?
{Run a|Do a|Make a|Perform a} t-test of <x> {between|for} <v> and <u>{.|}
Is <x> {significantly |}{higher|lower|different} {for|in|with} <v> than {for|in|with} <u>?
{t-test|T-test}: <x> of <v> {vs|against|and} <u>
{We|I} {want|would love} to find out {whether|if} <x> {differs|is different} between <v> and <u>{.|}
{Would you|Will you} {compare|test} the <x> {of|for} <v> and <u>?
{Put|Hold} the <x> of <v> against {that|the <x>} of <u>{.|}
{Compare|Contrast} <v> and <u> {by|in|on} <x>{.|}
{Is|Are} <v> and <u> {different|the same|alike} in <x>?
*{Could you|Can you} {test|check} whether <v> and <u> differ in <x>?
*I would like to compare <x> of <v> with <x> of <u>.""",
    "ttest_by": """
{Is there a|Do we see a} {significant |}difference in <x> between the {two |}<gs>?
{Compare|Test} <x> between the two {groups of <g>|<gs>}{.|}
{Does|Is} <x> {depend on|significantly different by|different by} <g>?
{Run a|Do a|Perform a} t-test of <x> {by|between the two groups of} <g>{.|}
{We|I} {want|would love} to find out {whether|if} <x> {differs|is different} between the {two |}<gs>{.|}
{Would you|Will you} {compare|test} <x> {between|for} the two {groups of <g>|<gs>}?
{Do|Does} the two {groups of <g>|<gs>} {differ|have different means} in <x>?
{Test|Check|See} {if|whether} <g> {matters|makes a difference} for <x>{.|}
*{Could you|Can you} {test|check} whether <x> differs between the two groups of <g>?""",
}
