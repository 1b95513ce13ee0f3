"""Wordings of what is said beside questions about a table: follow-ups, small talk, and what cannot be done.

Written as in `wordings.py`.
"""

FOLLOW = {
    "agg": ["{And|What about|How about} the <agg>?", "{and|now} the <agg>", "*And what is the <agg>?"],
    "column": ["{And|What about|How about} <x>?", "{The same|Same|Now the same} for <x>{.|}", "*And how is it for <x>?"],
    "by": ["{And|Now} {by|per} <g>?", "{Break it down|Split it|Group it} by <g>{.|}", "*And for each <g>?"],
    "plot": ["{Plot|Draw|Chart|Visualize} {it|that|this}{.|}", "{Show|Make} {it as a|a} bar chart{ of it|}{.|}", "*Can you draw that?"],
}

OUTSIDE = """
{Translate|Please translate} {this|the text|hello|the title} {into|to} {French|German|Spanish|Japanese}{.|}
{What is|What's|How is} the weather {today|tomorrow|like today|in the city}?
{Write|Tell} me a {poem|story|joke|song|letter|novel}{ about the sea| about love|}{.|}
Who {is the president|won the world cup|invented the telephone|wrote Hamlet}?
{Train|Build|Fit} a {neural network|deep learning model|transformer|random forest|gradient boosting model}{ on this data| for the data|}{.|}
{Forecast|Predict} {the next year|next month|the coming ten years|tomorrow} with {a neural network|deep learning|an LSTM|ARIMA}{.|}
{Send|Mail} {the results|this|a report} to my {boss|friend|team}{.|}
{Book|Buy|Order} me {a flight|a pizza|tickets|a table}{.|}
{Download|Scrape|Get} {the newest data|prices|news} from the {internet|web}{.|}
{What is|Explain} the meaning of life{?|.}
{Delete|Remove|Erase} all {my files|files on this disk}{.|}
{Cluster|Segment} the {rows|customers} with {DBSCAN|a neural net}{.|}
{Recommend|Suggest} {a good book|me a movie|a present}{.|}
{Play|Sing} {some music|me a song}{.|}
{What time is it|What day is it today}?
{Compose|Create|Draft|Make up} {a poem|a story|an email|a tweet|a slogan|a haiku}{ for me| about dogs| for my friend|}{.|}
{Say|Explain|Put} {this|it|that} in {French|Chinese|simple words|rhymes}{.|}
{How|What} will {the weather|the stock market|the price of gold|the election} be {tomorrow|next week|next year}?
{Is|Will} it {sunny|cold|warm|rain|snow} {today|now|tonight|next week}{ in Paris|}?
{Who|What} {was Napoleon|is the tallest mountain|is the capital of France|discovered America|painted this}?
{Where|When} {is|was} {the next train|the war|my phone|the moon landing|the party}?
{Call|Text|Phone|Ask} {my mother|a doctor|the police|him|the support}{ for me|}{.|}
{Open|Start|Close|Restart} {the browser|my computer|the door|a new window|the camera}{.|}
{Make|Cook|Bake} {me |}{a coffee|a cake|dinner|breakfast}{.|}
{Set|Add} {an alarm|a reminder|a meeting} {for|at} {eight|noon|Monday}{.|}
{Fix|Debug|Rewrite} my {Java|C++|website|printer}{ code|}{.|}
{Draw|Paint|Generate} {a picture of a cat|a logo|my portrait|an image}{.|}
{Tell|Read} me {the news|a fairy tale|your opinion|something funny}{.|}
{Do|Can} you {love me|feel pain|dream|drive a car|see me}?
{Solve|Prove} {this riddle|the Riemann hypothesis|my homework|world hunger}{.|}
{Upload|Post|Publish|Share} {this|the chart|the table} {on|to} {the web|social media|the cloud|my blog}{.|}
{Install|Update} {the newest version|Windows|a package|the driver}{.|}
{Join|Merge} {it|the table} with {the data of last year|another file|the web|the database}{.|}
{Optimize|Simulate} the {supply chain|portfolio|whole system}{ with a genetic algorithm|}{.|}
{Write|Create} {a presentation|a web page|an app|a book} {about|from} {it|this|the data}{.|}
*{Translate|Put} {the answer|my letter} into {Italian|Dutch}.
*{Write|Compose} {an essay|a story} about {history|peace}.
*Will it rain {tomorrow|this evening}?""".strip().split("\n")

GREETINGS = """
{Hi|Hello|Hey|Good morning|Good evening|Hi there|Hello there}{!|.|}
{What|Which things} can you do{ for me|}?
{Who|What} are you?
{Help|help me|I need help}
{Thanks|Thank you|Thanks a lot|Great|Nice|Well done|Cheers}{!|.|}
{Nice to meet you|How are you|How is it going|Are you there|Are you a robot}{?|!}
{Tell me|Say|Show me} what you can do{.|}
{How do you work|How does this work|What is this}?
*{Greetings|Good afternoon}!
{What can I ask|What are you able to do}?
*Hello, what {can you do|are you able to do}?""".strip().split("\n")
