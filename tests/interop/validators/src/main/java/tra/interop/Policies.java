package tra.interop;

import eu.europa.esig.dss.enumerations.Level;
import eu.europa.esig.dss.model.policy.ValidationPolicy;
import eu.europa.esig.dss.policy.EtsiValidationPolicy;
import eu.europa.esig.dss.policy.ValidationPolicyFacade;
import eu.europa.esig.dss.policy.jaxb.BasicSignatureConstraints;
import eu.europa.esig.dss.policy.jaxb.ConstraintsParameters;
import eu.europa.esig.dss.policy.jaxb.LevelConstraint;
import java.io.InputStream;

/** What DSS is asked to demand. */
final class Policies {
    private static final String SHIPPED = "/policy/constraint.xml";

    private Policies() {}

    /** The policy that DSS ships, for everything. */
    static ValidationPolicy shipped() throws Exception {
        return new EtsiValidationPolicy(read());
    }

    /**
     * The same, but what it only warns of, or does not look for, fails: any change to a PDF after
     * it was sealed other than validation data and time-stamps (EN 319 142-1, 5.4 and 5.5).
     */
    static ValidationPolicy strict() throws Exception {
        ConstraintsParameters parameters = read();
        BasicSignatureConstraints rules =
                parameters.getSignatureConstraints().getBasicSignatureConstraints();
        LevelConstraint fail = new LevelConstraint();
        fail.setLevel(Level.FAIL);
        rules.setPdfAnnotationOverlap(fail);
        rules.setPdfVisualDifference(fail);
        rules.setDocMDP(fail);
        rules.setFieldMDP(fail);
        rules.setSigFieldLock(fail);
        rules.setFormFillChanges(fail);
        rules.setAnnotationChanges(fail);
        rules.setUndefinedChanges(fail);
        return new EtsiValidationPolicy(parameters);
    }

    private static ConstraintsParameters read() throws Exception {
        try (InputStream in = ValidationPolicyFacade.class.getResourceAsStream(SHIPPED)) {
            return ValidationPolicyFacade.newFacade().unmarshall(in);
        }
    }
}
