"""Wordings of questions in other languages than English, by language and family, as in `wordings.py`.

Names of columns and values stay as the table has them. The words for aggregates are in the nominative, so wordings take
them as subjects: `Wie hoch ist <agg> <x>?`.
"""

AGGREGATES = {
    "german": {"mean": ["der Mittelwert von", "der Durchschnitt von"], "sum": ["die Summe von", "der Gesamtwert von"],
               "median": ["der Median von"], "min": ["das Minimum von", "der kleinste Wert von"],
               "max": ["das Maximum von", "der größte Wert von"], "std": ["die Standardabweichung von"]},
    "french": {"mean": ["la moyenne de", "la valeur moyenne de"], "sum": ["la somme de", "le total de"],
               "median": ["la médiane de"], "min": ["le minimum de", "la plus petite valeur de"],
               "max": ["le maximum de", "la plus grande valeur de"], "std": ["l'écart type de"]},
    "spanish": {"mean": ["la media de", "el promedio de"], "sum": ["la suma de", "el total de"],
                "median": ["la mediana de"], "min": ["el mínimo de", "el valor más bajo de"],
                "max": ["el máximo de", "el valor más alto de"], "std": ["la desviación estándar de"]},
    "chinese": {"mean": ["平均值", "均值"], "sum": ["总和", "合计"], "median": ["中位数"], "min": ["最小值", "最低值"],
                "max": ["最大值", "最高值"], "std": ["标准差"]},
}

GERMAN = {
    "columns": """
{Welche Spalten|Welche Felder} {gibt es|hat die Tabelle|enthält die Datei}?
*Wie heißen die Spalten?""",
    "shape": """
{Wie viele Zeilen und Spalten|Wie viele Spalten und Zeilen} {gibt es|hat die Tabelle}?
*Wie groß ist die Tabelle, in Zeilen und Spalten?""",
    "describe": """
{Gib mir|Zeig mir|Ich brauche} {einen Überblick über die Daten|eine Zusammenfassung der Daten}.
*{Beschreibe die Daten kurz|Fasse die Daten kurz zusammen}.""",
    "agg": """
{Wie hoch ist|Was ist} <agg> <x>?
{Kannst du mir sagen, wie hoch <agg> <x> ist?|Ich möchte wissen, wie hoch <agg> <x> ist.}
*Mich interessiert, wie hoch <agg> <x> ist.""",
    "nunique": """
Wie viele verschiedene Werte {hat|gibt es in} <x>?
*Zähle die unterschiedlichen Werte von <x>.""",
    "group_high": """
{Bei welchem|Für welchen} Wert von <g> ist <agg> <x> am {höchsten|größten}?
*Wo ist <agg> <x> am höchsten, nach <g> betrachtet?""",
    "group_low": """
{Bei welchem|Für welchen} Wert von <g> ist <agg> <x> am {niedrigsten|kleinsten}?
*Wo ist <agg> <x> am niedrigsten, nach <g> betrachtet?""",
    "group_list": """
{Wie hoch ist|Was ist} <agg> <x> {je|pro} <g>?
*Wie hoch ist <agg> <x> für jeden Wert von <g>?""",
    "top": """
{Zeig mir|Nenne} die <n> Zeilen mit dem {höchsten|größten} <x>.
*Welche <n> Zeilen haben die höchsten Werte in <x>?""",
    "bottom": """
{Zeig mir|Nenne} die <n> Zeilen mit dem {niedrigsten|kleinsten} <x>.
*Welche <n> Zeilen haben die niedrigsten Werte in <x>?""",
    "lookup": """
{Wie hoch ist|Was ist} <x> {von|bei} <v>?
*Ich suche <x> für <v>.""",
    "count_eq": """
Wie viele Zeilen haben {in <c> den Wert|für <c> den Wert} <v>?
*Zähle die Zeilen, in denen <c> gleich <v> ist.""",
    "count_gt": """
In wie vielen Zeilen {liegt <x> über|ist <x> größer als} <k>?
*Zähle die Zeilen, in denen <x> größer als <k> ist.""",
    "count_lt": """
In wie vielen Zeilen {liegt <x> unter|ist <x> kleiner als} <k>?
*Zähle die Zeilen, in denen <x> kleiner als <k> ist.""",
    "filter_agg": """
{Wie hoch ist|Was ist} <agg> <x>, wenn <c> gleich <v> ist?
*Wie hoch ist <agg> <x> in den Zeilen mit <c> <v>?""",
    "missing": """
{Fehlen Werte in den Daten|Gibt es fehlende Werte}? {In welchen Spalten|Wo}?
*Wie viele Werte fehlen je Spalte?""",
    "missing_one": """
Wie viele Werte fehlen in <x>?
*Wie viele Lücken hat die Spalte <x>?""",
    "value_counts": """
Wie viele Zeilen gibt es {je|pro} <g>?
*Zähle die Zeilen für jeden Wert von <g>.""",
    "most_common": """
{Welcher Wert|Was} kommt in <g> am häufigsten vor?
*Was ist der häufigste Wert von <g>?""",
    "share": """
Wie viel Prozent der Zeilen haben in <c> den Wert <v>?
*Welcher Anteil der Zeilen hat <c> gleich <v>?""",
    "corr": """
{Wie hoch ist|Was ist} die Korrelation {zwischen|von} <x> und <y>?
*Wie stark hängen <x> und <y> zusammen?""",
    "hist": """
{Zeichne|Erstelle|Zeig mir} ein Histogramm von <x>.
*Kannst du die Verteilung von <x> als Histogramm zeichnen?""",
    "bar": """
{Zeichne|Erstelle} ein Balkendiagramm: <agg> <x> {je|pro} <g>.
*Bitte als Balken: <agg> <x> nach <g>.""",
    "line": """
{Zeichne|Zeig mir} <x> über {die Zeit|<t>} als Linie.
*Wie hat sich <x> über {die Zeit|<t>} entwickelt? Bitte als Linie.""",
    "scatter": """
{Zeichne|Erstelle} ein Streudiagramm von <y> gegen <x>.
*Kannst du <y> gegen <x> als Punkte zeichnen?""",
    "ttest_by": """
Unterscheidet sich <x> zwischen den {zwei|beiden} Gruppen von <g>?
*Mach einen t-Test von <x> zwischen den beiden Gruppen von <g>.""",
    "outliers": """
{Gibt es|Siehst du} Ausreißer in <x>?
*Wie viele Ausreißer hat <x>?""",
    "duplicates": """
{Gibt es|Sind in den Daten} doppelte Zeilen?
*Wie viele Zeilen kommen mehrfach vor?""",
    "complete": """
Wie viele Zeilen {sind vollständig|haben keine Lücken}?
*In wie vielen Zeilen fehlt nichts?""",
    "between": """
Wie viele Zeilen haben <x> zwischen <a> und <b>?
*Zähle die Zeilen mit <x> von <a> bis <b>.""",
    "group_share": """
Wie viel Prozent der Summe von <x> entfallen auf jeden Wert von <g>?
*Wie verteilt sich die Summe von <x> in Prozent auf <g>?""",
    "box": """
{Zeichne|Erstelle} einen Boxplot von <x> {je|nach} <g>.
*Kannst du Boxplots von <x> für jeden Wert von <g> zeichnen?""",
    "pie": """
{Zeichne|Erstelle} ein Kreisdiagramm von <g>.
*Bitte <g> als Tortendiagramm.""",
    "anova": """
Unterscheidet sich <x> zwischen allen Gruppen von <g>?
*Teste, ob der Mittelwert von <x> in allen Gruppen von <g> gleich ist.""",
    "percentile": """
{Wie hoch ist|Was ist} das <k>. Perzentil von <x>?
*Berechne das <k>. Perzentil von <x>.""",
    "trend": """
{Gibt es|Siehst du} einen Trend in <x> über die Zeit?
*Steigt oder fällt <x> über die Zeit?""",
}

FRENCH = {
    "columns": """
{Quelles colonnes|Quels champs} y a-t-il dans {la table|le fichier} ?
*Comment s'appellent les colonnes ?""",
    "shape": """
Combien de lignes et de colonnes {y a-t-il|a la table} ?
*Quelle est la taille de la table, en lignes et en colonnes ?""",
    "describe": """
{Donne-moi|Montre-moi|Je voudrais} {un aperçu|un résumé} des données.
*Décris brièvement les données.""",
    "agg": """
Combien vaut <agg> <x> ?
{Peux-tu me dire combien vaut <agg> <x> ?|Je voudrais savoir combien vaut <agg> <x>.}
*J'aimerais connaître ceci : <agg> <x>.""",
    "nunique": """
Combien de valeurs différentes {y a-t-il dans|prend} <x> ?
*Compte les valeurs distinctes de <x>.""",
    "group_high": """
{Pour quelle valeur|Dans quel groupe} de <g> est-ce que <agg> <x> atteint son plus haut niveau ?
*Selon <g>, où est-ce que <agg> <x> atteint son plus haut niveau ?""",
    "group_low": """
{Pour quelle valeur|Dans quel groupe} de <g> est-ce que <agg> <x> atteint son plus bas niveau ?
*Selon <g>, où est-ce que <agg> <x> atteint son plus bas niveau ?""",
    "group_list": """
{Combien vaut <agg> <x> par <g> ?|Montre <agg> <x> pour chaque <g>.}
*Je voudrais voir <agg> <x>, pour chaque valeur de <g>.""",
    "top": """
{Montre-moi|Donne} les <n> lignes avec {la plus grande valeur de|le plus grand} <x>.
*Quelles sont les <n> lignes où <x> est le plus élevé ?""",
    "bottom": """
{Montre-moi|Donne} les <n> lignes avec {la plus petite valeur de|le plus petit} <x>.
*Quelles sont les <n> lignes où <x> est le plus faible ?""",
    "lookup": """
{Quelle est la valeur de|Combien vaut} <x> pour <v> ?
*Je cherche <x> de <v>.""",
    "count_eq": """
Combien de lignes ont <c> égal à <v> ?
*Compte les lignes où <c> vaut <v>.""",
    "count_gt": """
Combien de lignes ont <x> {supérieur à|au-dessus de} <k> ?
*Compte les lignes où <x> dépasse <k>.""",
    "count_lt": """
Combien de lignes ont <x> {inférieur à|au-dessous de} <k> ?
*Compte les lignes où <x> est plus petit que <k>.""",
    "filter_agg": """
Combien vaut <agg> <x> {quand|lorsque} <c> est égal à <v> ?
*Pour les lignes où <c> vaut <v>, combien vaut <agg> <x> ?""",
    "missing": """
{Manque-t-il des valeurs|Y a-t-il des valeurs manquantes} dans les données ? Dans quelles colonnes ?
*Combien de valeurs manquent par colonne ?""",
    "missing_one": """
Combien de valeurs manquent dans <x> ?
*Combien de cases vides la colonne <x> a-t-elle ?""",
    "value_counts": """
Combien de lignes y a-t-il {par|pour chaque} <g> ?
*Compte les lignes pour chaque valeur de <g>.""",
    "most_common": """
Quelle est la valeur la plus fréquente de <g> ?
*Quelle valeur revient le plus souvent dans <g> ?""",
    "share": """
Quel pourcentage des lignes a <c> égal à <v> ?
*Quelle part des lignes a <v> dans <c> ?""",
    "corr": """
{Quelle est la corrélation entre <x> et <y> ?|Calcule la corrélation entre <x> et <y>.}
*À quel point <x> et <y> sont-ils liés ?""",
    "hist": """
{Dessine|Trace|Montre-moi} un histogramme de <x>.
*Peux-tu montrer la distribution de <x> par un histogramme ?""",
    "bar": """
{Dessine|Trace} un diagramme en barres : <agg> <x> {par|pour chaque} <g>.
*En barres, s'il te plaît : <agg> <x> selon <g>.""",
    "line": """
{Trace|Dessine} <x> en fonction {du temps|de <t>}, sous forme de courbe.
*Comment <x> a-t-il évolué {dans le temps|selon <t>} ? En courbe, s'il te plaît.""",
    "scatter": """
{Trace|Dessine} un nuage de points de <y> en fonction de <x>.
*Peux-tu placer <y> contre <x> sous forme de points ?""",
    "ttest_by": """
<x> est-il différent entre les deux groupes de <g> ?
*Fais un test t de <x> entre les deux groupes de <g>.""",
    "outliers": """
{Y a-t-il|Vois-tu} des valeurs aberrantes dans <x> ?
*Combien de valeurs aberrantes <x> a-t-il ?""",
    "duplicates": """
{Y a-t-il|Vois-tu} des lignes en double ?
*Combien de lignes apparaissent plusieurs fois ?""",
    "complete": """
Combien de lignes {sont complètes|n'ont aucune valeur manquante} ?
*Dans combien de lignes ne manque-t-il rien ?""",
    "between": """
Combien de lignes ont <x> entre <a> et <b> ?
*Compte les lignes avec <x> de <a> à <b>.""",
    "group_share": """
Quel pourcentage du total de <x> revient à chaque <g> ?
*Comment le total de <x> se répartit-il, en pourcentage, selon <g> ?""",
    "box": """
{Trace|Dessine} une boîte à moustaches de <x> {par|pour chaque} <g>.
*Peux-tu montrer des boîtes à moustaches de <x> selon <g> ?""",
    "pie": """
{Trace|Dessine} un camembert de <g>.
*Montre <g> en diagramme circulaire.""",
    "anova": """
<x> diffère-t-il entre tous les groupes de <g> ?
*Teste si la moyenne de <x> est la même dans tous les groupes de <g>.""",
    "percentile": """
{Quel est le <k>e centile de <x> ?|Calcule le <k>e centile de <x>.}
*Combien vaut le centile <k> de <x> ?""",
    "trend": """
{Y a-t-il|Vois-tu} une tendance de <x> dans le temps ?
*<x> monte-t-il ou descend-il avec le temps ?""",
}

SPANISH = {
    "columns": """
¿Qué {columnas|campos} {hay|tiene la tabla}?
*¿Cómo se llaman las columnas?""",
    "shape": """
¿Cuántas filas y columnas {hay|tiene la tabla}?
*¿Qué tamaño tiene la tabla, en filas y columnas?""",
    "describe": """
{Dame|Muéstrame|Quiero} {un resumen|una visión general} de los datos.
*Describe brevemente los datos.""",
    "agg": """
{¿Cuánto es|¿Cuál es} <agg> <x>?
{Calcula|Dime} <agg> <x>.
*Me gustaría saber cuánto es <agg> <x>.""",
    "nunique": """
¿Cuántos valores distintos {hay en|tiene} <x>?
*Cuenta los valores diferentes de <x>.""",
    "group_high": """
¿{En|Para} qué valor de <g> es mayor <agg> <x>?
*Según <g>, ¿dónde alcanza <agg> <x> su nivel más alto?""",
    "group_low": """
¿{En|Para} qué valor de <g> es menor <agg> <x>?
*Según <g>, ¿dónde alcanza <agg> <x> su nivel más bajo?""",
    "group_list": """
{¿Cuánto es <agg> <x> por <g>?|Muestra <agg> <x> para cada <g>.}
*Quisiera ver <agg> <x> para cada valor de <g>.""",
    "top": """
{Muéstrame|Dame} las <n> filas con el {mayor|más alto} <x>.
*¿Cuáles son las <n> filas donde <x> es más alto?""",
    "bottom": """
{Muéstrame|Dame} las <n> filas con el {menor|más bajo} <x>.
*¿Cuáles son las <n> filas donde <x> es más bajo?""",
    "lookup": """
¿{Cuál es|Cuánto es} <x> de <v>?
*Busco <x> para <v>.""",
    "count_eq": """
¿Cuántas filas tienen <c> igual a <v>?
*Cuenta las filas donde <c> vale <v>.""",
    "count_gt": """
¿Cuántas filas tienen <x> {mayor que|por encima de} <k>?
*Cuenta las filas donde <x> supera <k>.""",
    "count_lt": """
¿Cuántas filas tienen <x> {menor que|por debajo de} <k>?
*Cuenta las filas donde <x> es inferior a <k>.""",
    "filter_agg": """
¿Cuánto es <agg> <x> {cuando|si} <c> es <v>?
*En las filas donde <c> vale <v>, ¿cuánto es <agg> <x>?""",
    "missing": """
{¿Faltan valores en los datos?|¿Hay valores ausentes?} ¿En qué columnas?
*¿Cuántos valores faltan por columna?""",
    "missing_one": """
¿Cuántos valores faltan en <x>?
*¿Cuántos huecos tiene la columna <x>?""",
    "value_counts": """
¿Cuántas filas hay {por|para cada} <g>?
*Cuenta las filas de cada valor de <g>.""",
    "most_common": """
¿Cuál es el valor más frecuente de <g>?
*¿Qué valor aparece más en <g>?""",
    "share": """
¿Qué porcentaje de las filas tiene <c> igual a <v>?
*¿Qué parte de las filas tiene <v> en <c>?""",
    "corr": """
{¿Cuál es la correlación entre <x> y <y>?|Calcula la correlación entre <x> y <y>.}
*¿Qué relación hay entre <x> y <y>, como correlación?""",
    "hist": """
{Dibuja|Haz|Muéstrame} un histograma de <x>.
*¿Puedes mostrar la distribución de <x> con un histograma?""",
    "bar": """
{Dibuja|Haz} un gráfico de barras: <agg> <x> {por|para cada} <g>.
*En barras, por favor: <agg> <x> según <g>.""",
    "line": """
{Dibuja|Traza} <x> {a lo largo del tiempo|según <t>} como línea.
*¿Cómo ha evolucionado <x> {con el tiempo|según <t>}? Como línea, por favor.""",
    "scatter": """
{Dibuja|Haz} un diagrama de dispersión de <y> frente a <x>.
*¿Puedes dibujar <y> frente a <x> con puntos?""",
    "ttest_by": """
¿Es distinto <x> entre los dos grupos de <g>?
*Haz una prueba t de <x> entre los dos grupos de <g>.""",
    "outliers": """
¿Hay valores atípicos en <x>?
*¿Cuántos valores atípicos tiene <x>?""",
    "duplicates": """
¿Hay filas {duplicadas|repetidas}?
*¿Cuántas filas aparecen más de una vez?""",
    "complete": """
¿Cuántas filas {están completas|no tienen huecos}?
*¿En cuántas filas no falta nada?""",
    "between": """
¿Cuántas filas tienen <x> entre <a> y <b>?
*Cuenta las filas con <x> de <a> a <b>.""",
    "group_share": """
¿Qué porcentaje del total de <x> corresponde a cada <g>?
*¿Cómo se reparte el total de <x>, en porcentaje, según <g>?""",
    "box": """
{Dibuja|Haz} un diagrama de caja de <x> {por|para cada} <g>.
*¿Puedes mostrar cajas de <x> según <g>?""",
    "pie": """
{Dibuja|Haz} un gráfico circular de <g>.
*Muestra <g> como gráfico de tarta.""",
    "anova": """
¿Es distinto <x> entre todos los grupos de <g>?
*Comprueba si la media de <x> es igual en todos los grupos de <g>.""",
    "percentile": """
{¿Cuál es el percentil <k> de <x>?|Calcula el percentil <k> de <x>.}
*¿Cuánto es el percentil <k> de <x>?""",
    "trend": """
¿Hay una tendencia de <x> con el tiempo?
*¿Sube o baja <x> con el tiempo?""",
}

CHINESE = {
    "columns": """
{这张表|这个文件}有哪些{列|字段}？
*列名都是什么？""",
    "shape": """
{这张表|数据}有多少行和多少列？
*表有多大，几行几列？""",
    "describe": """
{给我|请给出}数据的{概览|汇总统计}。
*简单描述一下这些数据。""",
    "agg": """
<x> 的<agg>是多少？
{请计算|告诉我} <x> 的<agg>。
*我想知道 <x> 的<agg>。""",
    "nunique": """
<x> 有多少个不同的值？
*数一数 <x> 有几种取值。""",
    "group_high": """
{哪个|哪一个} <g> 的 <x> <agg>最高？
*按 <g> 看，<x> 的<agg>在哪里最高？""",
    "group_low": """
{哪个|哪一个} <g> 的 <x> <agg>最低？
*按 <g> 看，<x> 的<agg>在哪里最低？""",
    "group_list": """
{按 <g> 分组|每个 <g>}的 <x> <agg>是多少？
*列出每个 <g> 的 <x> <agg>。""",
    "top": """
{显示|给出} <x> 最{大|高}的 <n> 行。
*哪 <n> 行的 <x> 最高？""",
    "bottom": """
{显示|给出} <x> 最{小|低}的 <n> 行。
*哪 <n> 行的 <x> 最低？""",
    "lookup": """
<v> 的 <x> 是多少？
*查一下 <v> 的 <x>。""",
    "count_eq": """
<c> 等于 <v> 的有多少行？
*数一数 <c> 是 <v> 的行。""",
    "count_gt": """
<x> {大于|超过} <k> 的有多少行？
*数一数 <x> 高于 <k> 的行。""",
    "count_lt": """
<x> {小于|不到} <k> 的有多少行？
*数一数 <x> 低于 <k> 的行。""",
    "filter_agg": """
<c> 为 <v> 时，<x> 的<agg>是多少？
*只看 <c> 等于 <v> 的行，<x> 的<agg>是多少？""",
    "missing": """
{数据里有缺失值吗|有没有缺失值}？在哪些列？
*每一列缺多少个值？""",
    "missing_one": """
<x> 缺多少个值？
*<x> 这一列有几个空值？""",
    "value_counts": """
每个 <g> {有多少行|各有几行}？
*按 <g> 数一数行数。""",
    "most_common": """
<g> 最常见的值是什么？
*<g> 里哪个值出现最多？""",
    "share": """
<c> 等于 <v> 的行占百分之几？
*<c> 为 <v> 的行所占的比例是多少？""",
    "corr": """
{<x> 和 <y> 的相关系数是多少？|请计算 <x> 与 <y> 的相关系数。}
*<x> 和 <y> 有多相关？""",
    "hist": """
{画|绘制}一个 <x> 的直方图。
*能用直方图显示 <x> 的分布吗？""",
    "bar": """
{画|绘制}柱状图：每个 <g> 的 <x> <agg>。
*请用柱状图显示各 <g> 的 <x> <agg>。""",
    "line": """
{画|绘制} <x> 随{时间|<t>}变化的折线图。
*<x> 随{时间|<t>}怎么变化？请画折线。""",
    "scatter": """
{画|绘制} <y> 对 <x> 的散点图。
*能用散点显示 <y> 和 <x> 吗？""",
    "ttest_by": """
<g> 的两组之间 <x> 有差异吗？
*对 <g> 的两组做 <x> 的 t 检验。""",
    "outliers": """
<x> 有异常值吗？
*<x> 有几个离群值？""",
    "duplicates": """
{有没有重复的行？|数据里有重复的行吗？}
*有几行是重复的？""",
    "complete": """
有多少行{是完整的|没有缺失值}？
*几行什么都不缺？""",
    "between": """
<x> 在 <a> 和 <b> 之间的有多少行？
*数一数 <x> 从 <a> 到 <b> 的行。""",
    "group_share": """
每个 <g> 占 <x> 总和的百分之几？
*<x> 的总和按 <g> 各占多少百分比？""",
    "box": """
{画|绘制}每个 <g> 的 <x> 箱线图。
*能按 <g> 画 <x> 的箱线图吗？""",
    "pie": """
{画|绘制} <g> 的饼图。
*请用饼图显示 <g>。""",
    "anova": """
<g> 的所有组之间 <x> 有差异吗？
*检验 <x> 的平均值在 <g> 各组是否相同。""",
    "percentile": """
<x> 的第 <k> 百分位数是多少？
*请算 <x> 的 <k> 百分位数。""",
    "trend": """
<x> 随时间有趋势吗？
*<x> 随时间是上升还是下降？""",
}

QUESTIONS = {"german": GERMAN, "french": FRENCH, "spanish": SPANISH, "chinese": CHINESE}
# How a question in another language says which file is meant.
FILE = {"german": "{} Es geht um {}.", "french": "{} Il s'agit de {}.", "spanish": "{} Se trata de {}.", "chinese": "{}（文件：{}）"}
