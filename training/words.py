"""The words from which tables are made up: nouns of many fields, their short forms, and values of cells.

One word in seven (by checksum) is held out: training never sees it, evaluation uses nothing else.
"""

import re
import zlib

MEASURES = """
price cost amount revenue income profit margin salary wage bonus budget expense tax discount fee rent debt loan
balance payment deposit interest dividend turnover sales quantity stock demand supply order refund invoice spend
weight height width length depth volume mass density area radius diameter thickness distance speed velocity
acceleration force pressure temperature humidity rainfall precipitation wind cloud snow sunshine visibility moisture
delay duration wait latency uptime downtime lifetime runtime time period interval frequency rate ratio share percent
score rating grade mark point rank goal assist foul save win loss match attendance lap hit run catch
steps pulse glucose cholesterol insulin hemoglobin calorie protein fat sugar sodium fiber dose heartbeat oxygen
mortality recovery stay visit admission population birth death literacy unemployment inflation growth export import
production output yield harvest emission consumption energy power voltage current resistance charge capacity load
throughput bandwidth traffic click view session bounce conversion impression download install like follower comment
page error request response memory storage distance mileage fuel horsepower torque displacement wheelbase
floor room bedroom bathroom age experience tenure absence overtime hours headcount enrolment credit tuition exam
homework reading writing math noise brightness acidity alkalinity salinity turbidity concentration nitrogen carbon
phosphorus chlorine strength elasticity hardness viscosity altitude elevation slope latitude longitude magnitude
luminosity redshift mass orbit brightness wingspan lifespan litter feed milk egg wool seed leaf stem root trunk
ticket fare toll tip seat passenger cargo container shipment parcel pallet crate truckload budget donation grant
subscription churn retention satisfaction loyalty engagement backlog defect scrap downtime cycle batch purity
premium claim deductible coverage exposure volatility drawdown leverage liquidity spread bid ask
""".split()

MODIFIERS = """
arrival departure unit net gross total monthly daily weekly yearly annual quarterly hourly average maximum minimum
median first last final initial current previous next actual planned expected estimated target base peak
customer product store order shipping delivery travel flight engine body head tail hand foot wing shell
inner outer upper lower left right front rear indoor outdoor surface ground water air soil room night morning
evening summer winter spring autumn home away team player season game training test exam course school
hospital patient blood heart lung liver kidney bone muscle plasma fasting resting systolic diastolic
server client network disk cache user account email mobile desktop web ad campaign search organic paid
factory machine sensor line batch plant field crop farm animal herd sample lab reagent solvent
city rural urban national regional local foreign domestic global public private retail wholesale online
vendor supplier partner employee manager staff contract project task sprint ticket support call chat
fuel battery solar grid gas oil coal nuclear hydro carbon waste recycled raw refined crude
insurance mortgage pension market closing opening trading bond equity option cash
""".split()

CATEGORIES = """
region country city state district zone area branch store warehouse shop outlet market channel segment
category type kind class group family brand model make color material shape style size level tier
department team division office role job position title rank shift manager supervisor crew
carrier airline airport route terminal gate vehicle driver station port harbor line mode
status stage phase result outcome priority severity risk grade plan package contract membership
gender education occupation diagnosis treatment therapy drug ward clinic doctor nurse hospital specialty
breed habitat colony diet genus forest lake river soil crop variety field plot
genre language platform device browser publisher studio author director format source medium
league club coach stadium surface opponent tournament round discipline event
supplier vendor customer client partner agent broker payment method currency account
sensor machine factory plant process operator batch lab instrument protocol reagent
subject course teacher school faculty campus semester program major
weekday season weather month quarter climate sky
""".split()

ENTITIES = """
product item customer employee student patient player team city country store supplier machine sensor book movie
song album game device server campaign project task ticket invoice order shipment flight train ship vehicle car
bike truck house apartment hotel restaurant recipe dish drink plant tree animal bird fish star planet crater volcano
river lake mountain park museum school course hospital drug sample experiment company stock bond fund account
artist author actor dog cat horse cow apple cheese bread bridge tower station airport village tribe bakery mine
""".split()

STEMS = """
sales orders customers products stores employees students patients players matches flights shipments invoices
payments transactions accounts loans claims policies bookings visits sessions clicks campaigns leads tickets
sensors readings measurements samples experiments trials results scores grades courses enrolments schools
weather climate stations rivers lakes forests farms crops harvest animals birds fishes dogs horses
houses rents apartments hotels restaurants recipes menus drinks coffee bakery cheese books movies songs albums
games races teams leagues cars bikes trucks trains buses routes trips deliveries parcels warehouses inventory
factory machines defects batches production energy power solar wind emissions water traffic accidents crimes
population census cities countries budgets expenses salaries hires absences surveys reviews ratings comments
servers requests logs errors downloads devices stars planets quakes volcanoes craters glaciers
donations elections votes laws patents museums concerts festivals runs laps marathons swims workouts
""".split()

SHORT = {
    "arrival": "arr", "departure": "dep", "average": "avg", "maximum": "max", "minimum": "min", "quantity": "qty",
    "amount": "amt", "temperature": "temp", "number": "num", "percent": "pct", "customer": "cust",
    "department": "dept", "employee": "emp", "product": "prod", "category": "cat", "manager": "mgr",
    "distance": "dist", "duration": "dur", "weight": "wt", "height": "ht", "length": "len", "volume": "vol",
    "latitude": "lat", "longitude": "lon", "population": "pop", "total": "tot", "revenue": "rev",
    "invoice": "inv", "order": "ord", "payment": "pmt", "transaction": "txn", "account": "acct", "balance": "bal",
    "account number": "acctno", "pressure": "press", "humidity": "hum", "consumption": "cons", "frequency": "freq",
    "estimated": "est", "actual": "act", "previous": "prev", "concentration": "conc", "diameter": "diam",
    "velocity": "vel", "acceleration": "accel", "altitude": "alt", "elevation": "elev", "capacity": "cap",
    "experience": "exp", "expense": "exp", "response": "resp", "request": "req", "error": "err", "memory": "mem",
    "horsepower": "hp", "systolic": "sys", "diastolic": "dia", "hemoglobin": "hgb", "glucose": "glu",
    "cholesterol": "chol", "maximum": "max", "annual": "ann", "monthly": "mon", "discount": "disc",
    "production": "prod", "supplier": "supp", "region": "reg", "country": "ctry", "station": "stn",
    "language": "lang", "position": "pos", "reference": "ref", "temperature": "temp", "precipitation": "precip",
    "density": "dens", "resistance": "res", "voltage": "volt", "current": "curr", "conversion": "conv",
    "impression": "impr", "subscription": "sub", "satisfaction": "sat", "description": "desc", "vehicle": "veh",
    "hospital": "hosp", "patient": "pat", "delivery": "deliv", "shipping": "ship", "warehouse": "wh",
    "quarter": "qtr", "month": "mo", "estimated": "est", "regional": "reg", "management": "mgmt",
    "international": "intl", "domestic": "dom", "specialty": "spec", "treatment": "trt", "diagnosis": "diag",
}

UNITS = {
    "weight": ["kg", "g", "lb"], "mass": ["kg", "g"], "height": ["cm", "m"], "width": ["mm", "cm"],
    "length": ["mm", "cm", "m"], "distance": ["km", "miles", "m"], "price": ["eur", "usd", "EUR", "USD"],
    "cost": ["eur", "usd", "EUR"], "salary": ["usd", "EUR", "k"], "temperature": ["c", "C", "F"],
    "duration": ["min", "s", "hours"], "delay": ["min", "s"], "speed": ["kmh", "mph"], "pressure": ["hpa", "bar"],
    "rainfall": ["mm"], "area": ["m2", "sqm", "ha"], "volume": ["l", "ml"], "energy": ["kwh", "kcal"],
    "power": ["kw", "w"], "latency": ["ms"], "rate": ["pct", "%"], "share": ["pct", "%"], "fuel": ["l"],
    "revenue": ["usd", "eur", "EUR"], "glucose": ["mg", "mmol"], "voltage": ["v", "mv"], "depth": ["m", "cm"],
    "time": ["s", "ms", "min"], "humidity": ["pct", "%"], "memory": ["mb", "gb"], "fare": ["usd", "EUR"],
}

SYNONYMS = {
    "salary": ["pay"], "revenue": ["turnover"], "cost": ["expense"], "price": ["cost"], "delay": ["lateness"],
    "quantity": ["number"], "gender": ["sex"], "occupation": ["job"], "weight": ["mass"], "category": ["kind"],
    "duration": ["length"], "rating": ["score"], "country": ["nation"], "employee": ["worker"], "type": ["kind"],
}

CITIES = """Paris London Berlin Madrid Rome Vienna Prague Lisbon Dublin Oslo Athens Warsaw Tokyo Delhi Mumbai Lagos Cairo
Nairobi Lima Quito Bogota Boston Chicago Denver Austin Seattle Miami Dallas Toronto Montreal Sydney Perth Auckland Seoul
Osaka Hanoi Manila Jakarta Dubai Riga Tallinn Zurich Geneva Milan Turin Porto Lyon Nice Hamburg Munich""".split()
CITIES += ["New York", "Los Angeles", "San Diego", "Cape Town", "Hong Kong", "Sao Paulo", "Mexico City", "St. Louis"]
COUNTRIES = """France Germany Spain Italy Japan China India Brazil Mexico Canada Kenya Egypt Norway Sweden Finland Poland
Greece Turkey Chile Peru Ghana Nepal Cuba Iran Iraq Vietnam Thailand Portugal Ireland Iceland Denmark Austria""".split()
COUNTRIES += ["United States", "South Korea", "New Zealand", "Costa Rica", "United Kingdom", "Sri Lanka"]
PEOPLE = """Anna Ben Carla David Elena Felix Grace Hugo Ines Jonas Karin Liam Maria Noah Olga Peter Quinn Rosa Simon Tara
Uma Victor Wendy Xavier Yara Zoe Amir Bianca Chloe Diego Emma Fatima Gustav Hannah Ivan Julia Kofi Laura Mateo Nina""".split()
SURNAMES = """Smith Jones Garcia Muller Rossi Silva Novak Kim Chen Singh Patel Okafor Haddad Larsen Moreau Costa Weber
Ivanov Tanaka Brown Wilson Clark Lewis Young King Hill Baker Adams""".split()
THINGS = """laptop phone tablet monitor keyboard mouse printer camera chair desk lamp sofa shelf bottle mug plate knife spoon
fork pan kettle toaster blender jacket shirt shoes socks hat scarf gloves belt watch ring bag wallet pen pencil notebook
eraser stapler drill hammer saw wrench screw nail bolt paint brush ladder rope tent stove cooler bike helmet ball racket
puzzle doll robot kite guitar piano drum flute violin bread milk butter cheese rice pasta tomato potato onion carrot apple
banana orange grape lemon peach cherry coffee tea juice water soap towel candle""".split()
COLORS = "red blue green black white yellow orange purple brown pink gray silver gold teal".split()
ANIMALS = """lion tiger bear wolf fox deer moose otter beaver hare mouse rat bat whale seal shark tuna salmon trout eagle
hawk owl crow robin swan goose duck hen turkey goat sheep pig cow horse donkey camel llama lizard frog toad snake""".split()
JOBS = """engineer teacher nurse doctor lawyer clerk driver cook baker farmer miner pilot sailor painter writer analyst
designer developer manager accountant plumber electrician mechanic technician""".split()
FIELDS = """finance marketing sales legal support research engineering operations logistics design security purchasing
history physics chemistry biology maths music art sports economics geography philosophy""".split()
DISEASES = "flu asthma diabetes migraine anemia gout measles malaria bronchitis arthritis eczema hypertension".split()
SETS = [
    ["North", "South", "East", "West"], ["low", "medium", "high"], ["S", "M", "L", "XL"], ["yes", "no"],
    ["open", "closed", "pending"], ["active", "inactive"], ["new", "used"], ["A", "B", "C"], ["A", "B"],
    ["control", "treated"], ["placebo", "drug"], ["basic", "plus", "premium"], ["bronze", "silver", "gold"],
    ["gas", "diesel", "electric", "hybrid"], ["spring", "summer", "autumn", "winter"], ["pass", "fail"],
    ["card", "cash", "transfer"], ["web", "store", "phone"], ["mobile", "desktop", "tablet"], ["M", "F"],
    ["male", "female"], ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ["Q1", "Q2", "Q3", "Q4"],
    ["urban", "rural", "suburban"], ["paid", "unpaid"], ["minor", "major", "critical"], ["indoor", "outdoor"],
    ["won", "lost", "drawn"], ["day", "night"], ["draft", "sent", "signed"], ["small", "large"],
    ["sunny", "cloudy", "rainy", "windy"], ["private", "public"], ["bus", "train", "car", "bike"],
    ["junior", "senior", "lead"], ["left", "right"], ["true", "false"], ["import", "export"],
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], ["single", "married", "divorced"],
]
POOLS = [CITIES, COUNTRIES, PEOPLE, SURNAMES, THINGS, COLORS, ANIMALS, JOBS, FIELDS, DISEASES]

# Names of the columns of the public tables that evaluation uses. They never become a column in training.
PUBLIC_COLUMNS = {
    "iris": "sepal length (cm)|sepal width (cm)|petal length (cm)|petal width (cm)|species|target|"
            "sepal_length|sepal_width|petal_length|petal_width",
    "wine": "alcohol|malic_acid|ash|alcalinity_of_ash|magnesium|total_phenols|flavanoids|nonflavanoid_phenols|"
            "proanthocyanins|color_intensity|hue|od280/od315_of_diluted_wines|proline|cultivar",
    "penguins": "species|island|bill_length_mm|bill_depth_mm|flipper_length_mm|body_mass_g|sex|year",
    "tips": "total_bill|tip|sex|smoker|day|time|size",
    "diabetes": "age|sex|bmi|bp|s1|s2|s3|s4|s5|s6|target",
    "cancer": "mean radius|mean texture|mean perimeter|mean area|mean smoothness|mean compactness|mean concavity|"
              "mean concave points|mean symmetry|mean fractal dimension|diagnosis|worst radius|worst texture|"
              "worst perimeter|worst area|radius error|texture error|perimeter error|area error",
    "titanic": "survived|pclass|name|sex|age|sibsp|parch|ticket|fare|cabin|embarked|class|who|deck|alone",
    "cars": "name|miles_per_gallon|cylinders|displacement|horsepower|weight_in_lbs|acceleration|year|origin|mpg",
    "statecrime": "violent|murder|hs_grad|poverty|single|white|urban",
    "sunspots": "year|sunactivity",
    "gapminder": "country|continent|year|lifeexp|pop|gdppercap|iso_alpha|iso_num",
}


def plain(name):
    """A name without case, spaces and signs: the form in which names are compared."""
    return "".join(c for c in name.lower() if c.isalnum())


PUBLIC = {plain(name) for names in PUBLIC_COLUMNS.values() for name in names.split("|")}
PUBLIC_STEMS = set(PUBLIC_COLUMNS)


def held_out(word):
    """Whether a word belongs to evaluation (about one in seven)."""
    return zlib.crc32(word.lower().encode()) % 7 == 0


def split(words, evaluation):
    """The part of a list of words that training (or evaluation) may use, without repeats, in order."""
    return [w for w in dict.fromkeys(words) if held_out(w) == evaluation]


def in_tables():
    """Words of which names and values of tables are made, in small letters."""
    names = [*MEASURES, *MODIFIERS, *CATEGORIES, *ENTITIES, *STEMS]
    values = [value for pool in [*POOLS, *SETS] for value in pool]
    return {word for text in [*names, *values] for word in re.findall("[a-z]+", str(text).lower())}
